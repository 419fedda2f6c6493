"""Networks and network parts beyond those that nnU-Net plans."""
