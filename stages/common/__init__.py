"""What the stage programs share: their edge, their files and the objects that these hold."""
