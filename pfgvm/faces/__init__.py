"""Faces: where they come from, how they are chosen, and how a picture becomes numbers."""
