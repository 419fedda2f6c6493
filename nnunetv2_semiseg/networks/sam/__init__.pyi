from .build import (
    build_foundation as build_foundation,
    build_prompted_sam as build_prompted_sam,
    foundation_identity as foundation_identity,
)
from .checkpoint import (
    SamFile as SamFile,
    identify_sam_checkpoint as identify_sam_checkpoint,
    load_sam_checkpoint as load_sam_checkpoint,
)
from .config import (
    FoundationConfig as FoundationConfig,
    PromptedFoundationConfig as PromptedFoundationConfig,
    SamConfig as SamConfig,
)
from .deployed import (
    DeployedPromptedSam as DeployedPromptedSam,
    DeployedSemanticSam as DeployedSemanticSam,
    deployed_prompted_state as deployed_prompted_state,
    deployed_state as deployed_state,
)
from .prompted import (
    PromptedSam as PromptedSam,
)
from .semantic import (
    FoundationTrainedParts as FoundationTrainedParts,
    SemanticSam as SemanticSam,
)
