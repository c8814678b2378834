"""Repairs of VisTrails' bundled packages for current libraries; one file for each package."""
