"""Who is seen on an image: face detection, alignment, and recognisers that took no part in the attacks."""
