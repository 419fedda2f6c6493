"""Foundation models for segmentation: segment-anything (SAM) and its medical relatives.

Each use of SAM is a network of its own, `semantic` (SynFoC) and `prompted` (KnowSAM), that adapts the same
frozen encoder. A method with another use adds its network as a file beside these, hyper-parameters to
`config`, a builder to `build`, and what nnU-Net is to predict with to `deployed`. A further way to adapt the
encoder goes to `model.adaptation`. Files of weights are read by `checkpoint` and fetched by `weights`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
