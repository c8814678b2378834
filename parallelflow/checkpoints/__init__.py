"""Finished elements on disk until their run ends well: a later session goes on from them."""
