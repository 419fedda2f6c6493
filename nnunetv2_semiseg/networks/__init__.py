"""Networks and parts of networks beyond those that nnU-Net plans; they know no losses and no methods.

`planned` builds what nnU-Net plans, `ema` makes teachers, `outputs` and `pixels` handle logits. `fused` is
KnowSAM's network, `task_network` and `dynamic_head` are VerSemi's, and all of SAM lies in `sam`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
