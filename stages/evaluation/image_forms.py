"""The views in which the evaluation tests an image: published, control, post-processed, purified, unwarped."""

from pfgvm.evaluation.transforms import POST_PROCESSING, PURIFIERS

# The published 8-bit image, and the clean image with noise of the same L2 norm.
PUBLISHED = POST_PROCESSING[0]
CONTROL = "random of equal L2"
# The published image without the mean displacement of all other images of its set: an attacker's guess.
UNWARPED = "unwarped"
# The published image first. A set that displaces pixels also has UNWARPED.
VIEWS = list(dict.fromkeys([PUBLISHED, CONTROL, *POST_PROCESSING, *PURIFIERS]))
