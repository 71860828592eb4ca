"""Where on the pattern a network found a class: Grad-CAM++ in two forms."""
