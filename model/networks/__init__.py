"""The networks: ResNet, VGG, the logarithmic activation; one table of builders."""
