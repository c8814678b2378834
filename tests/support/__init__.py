"""What tests share: a private home, the search for processes left behind, VisTrails' examples."""
