from .adaptation import (
    AdapterAdaptation as AdapterAdaptation,
    EncoderAdaptation as EncoderAdaptation,
    LoraAdaptation as LoraAdaptation,
)
from .architecture import (
    SAM_ARCHITECTURES as SAM_ARCHITECTURES,
    SamArchitecture as SamArchitecture,
    build_image_encoder as build_image_encoder,
    build_published_sam_parts as build_published_sam_parts,
    build_sam_parts as build_sam_parts,
)
from .encoder import (
    SamEncoder as SamEncoder,
)
from .image_input import (
    FoundationInput as FoundationInput,
)
from .mask_decoding import (
    decode_masks as decode_masks,
    decode_without_prompts as decode_without_prompts,
)
from .prediction_precision import (
    PredictionPrecision as PredictionPrecision,
    chosen_precision as chosen_precision,
)
from .prompts import (
    BoxPromptDecoders as BoxPromptDecoders,
    corner_embeddings as corner_embeddings,
    mask_prompts as mask_prompts,
)
