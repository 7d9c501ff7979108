"""The plots of the report as SVG, one a module, in one look and one palette."""
