"""What the programs of both reports share."""
