"""The loops of VisTrails that run on engines: one file for each kind, and what all kinds share."""
