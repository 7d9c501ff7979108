"""The pretrained face descriptors that model B may stand on."""
