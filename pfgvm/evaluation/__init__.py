"""What a de-identified image is worth: metrics, scores and statistics."""
