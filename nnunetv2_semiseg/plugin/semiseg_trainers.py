"""The file that nnU-Net finds through ``nnUNet_extTrainer``.

nnU-Net imports every module of that folder and forgets it again. The classes come from the installed package,
which it leaves alone, so that each keeps one identity and can be pickled.
"""

from nnunetv2_semiseg.methods.registry import discovered_trainers

globals().update(discovered_trainers())
