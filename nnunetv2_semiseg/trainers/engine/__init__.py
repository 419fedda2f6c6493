"""What a training is made of below nnU-Net's hooks: the step, checkpoints, precision, refusals, the log."""
