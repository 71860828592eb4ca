"""Data only: taxonomies, schematics, icons, colormaps, style, backbones. No code lives here."""
