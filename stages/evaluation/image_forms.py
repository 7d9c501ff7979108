"""In which forms the evaluation looks at an image."""

from pfgvm.evaluation.transforms import POST_PROCESSING, PURIFIERS

# The 8-bit image that would be published, and the clean image under noise of the same L2.
PUBLISHED = POST_PROCESSING[0]
CONTROL = "random of equal L2"
# As published first.
VIEWS = list(dict.fromkeys([PUBLISHED, CONTROL, *POST_PROCESSING, *PURIFIERS]))
