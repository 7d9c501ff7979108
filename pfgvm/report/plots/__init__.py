"""The plots of the report as SVG, one a module, with a common style and palette."""
