"""The modules that SAM networks are made of, on top of the package segment_anything.

`architecture` has the sizes and fresh parts, `image_input` prepares patches, `encoder` embeds them with
`attention` and `window_attention`, changed by an `adaptation` and on a CPU in a `prediction_precision`, and
`prompts` and `mask_decoding` make masks of the embeddings.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
