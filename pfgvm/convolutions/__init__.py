"""Convolutions of frozen weights, computed sooner on a CPU: their outputs, and gradients by their inputs."""
