"""Faces: where they come from, how they are chosen, and how an image becomes numbers."""
