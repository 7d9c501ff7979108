"""Who is seen on a picture: face detection, alignment, and recognisers that took no part in the attacks."""
