"""De-identification of the faces in one photo, for `make protect`."""
