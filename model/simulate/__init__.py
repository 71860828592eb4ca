"""Droplets, their diffraction, the detector, and the labels a researcher would give."""
