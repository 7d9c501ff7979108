"""What all programs need: their edge, their files, tables and faces."""
