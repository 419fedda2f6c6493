r"""Prediction of the exported foundation student on a CPU, and by segment_anything's modules in float32.

Both have the same weights: a random encoder with random LoRA and a mask decoder that has learned to find the
bright and the dark parts of the images, so that the masks have clear borders. The program says how far the
masks agree; above a Dice of 0.999 a person would call them the same. With a trained model and images it
compares, instead, the label maps that nnU-Net's predictor makes with the encoder in float32 and in bfloat16.
Set nnUNet_semiseg_prediction_precision to measure a certain precision on any CPU.

Example:
    python -m benchmarks.foundation_prediction --batch 2
    python -m benchmarks.foundation_prediction --images imagesTs \
        --model nnUNetTrainerSynFoCFoundation__nnUNetPlans__2d
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.utils import create_lists_from_splitted_dataset_folder
from torch.nn import functional as F

from benchmarks.measuring import (
    Step,
    add_measuring_arguments,
    measure,
    print_machine,
    print_rates,
    print_table,
)
from benchmarks.plain_sam import PlainSam
from nnunetv2_semiseg.methods.losses.agreement import class_map_agreement
from nnunetv2_semiseg.methods.losses.segmentation import seg_loss
from nnunetv2_semiseg.networks.sam.build import build_foundation
from nnunetv2_semiseg.networks.sam.config import FoundationConfig
from nnunetv2_semiseg.networks.sam.deployed import DeployedSemanticSam, deployed_state
from nnunetv2_semiseg.networks.sam.model.adaptation import LowRankUpdate
from nnunetv2_semiseg.networks.sam.model.encoder import SamEncoder
from nnunetv2_semiseg.networks.sam.model.mask_decoding import decode_without_prompts
from nnunetv2_semiseg.networks.sam.model.prediction_precision import PredictionPrecision
from nnunetv2_semiseg.networks.sam.semantic import SemanticSam

CLASSES = 3
LORA_STD = 0.02
"""Standard deviation of LoRA's B, which starts at zero; queries and values then change by a few percent."""


def deployed(arguments: argparse.Namespace) -> DeployedSemanticSam:
    """What `nnUNetv2_predict` runs for nnUNetTrainerSynFoCFoundation."""
    torch.manual_seed(0)
    config = FoundationConfig(
        architecture=arguments.architecture, random_weights=True, image_size=arguments.image_size
    )
    student = build_foundation(config, in_channels=3, num_classes=CLASSES)
    for update in _updates(student):
        torch.nn.init.normal_(update.B.weight, std=LORA_STD)
    _teach_brightness(student, images(arguments), arguments.lessons)
    network = DeployedSemanticSam(config, in_channels=3, num_classes=CLASSES)
    network.load_state_dict(deployed_state(student))
    return network.requires_grad_(False)


def _updates(student: SemanticSam) -> list[LowRankUpdate]:
    return [module for module in student.modules() if isinstance(module, LowRankUpdate)]


def _teach_brightness(student: SemanticSam, patches: torch.Tensor, lessons: int) -> None:
    """Train the mask decoder on what the frozen encoder makes of the patches."""
    trained = student.trained
    with torch.no_grad():
        embeddings = student.encoder(trained.image_input(patches), trained.lora)
    brightness = F.interpolate(patches.mean(1, keepdim=True), student.grid_size, mode="area")[:, 0]
    labels = (brightness > 0.4).long() + (brightness > 0.6).long()
    optimizer = torch.optim.Adam(trained.mask_decoder.parameters(), 1e-3)
    for _ in range(lessons):
        logits = decode_without_prompts(trained.prompt_encoder, trained.mask_decoder, embeddings)
        loss = seg_loss(logits, labels, torch.ones_like(labels, dtype=torch.bool))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def images(arguments: argparse.Namespace) -> torch.Tensor:
    """Smooth random patches in 0 to 1, as large as the foundation's input."""
    size = arguments.image_size
    coarse = torch.rand(arguments.batch, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return F.interpolate(coarse, (size, size), mode="bicubic", align_corners=False).clamp(0, 1)


def ours(arguments: argparse.Namespace) -> Step:
    """The exported network."""
    network, patches = deployed(arguments).eval(), images(arguments)

    @torch.no_grad()  # in inference mode, as the predictor has it, torch can't count operations
    def step() -> torch.Tensor:
        return network(patches)

    return step


def compiled(arguments: argparse.Namespace) -> Step:
    """The exported network as nnU-Net's predictor compiles it where nnUNet_compile=t asks for it."""
    network, patches = torch.compile(deployed(arguments).eval()), images(arguments)

    @torch.no_grad()
    def step() -> torch.Tensor:
        result: torch.Tensor = network(patches)
        return result

    return step


def plain(arguments: argparse.Namespace) -> Step:
    """Segment_anything's own modules with the same weights."""
    network, patches = _plain_copy(deployed(arguments), arguments), images(arguments)

    @torch.no_grad()  # in inference mode, as the predictor has it, torch can't count operations
    def step() -> torch.Tensor:
        return F.interpolate(network(patches), patches.shape[2:], mode="bilinear", align_corners=False)

    return step


def _plain_copy(network: DeployedSemanticSam, arguments: argparse.Namespace) -> PlainSam:
    model = PlainSam(arguments.architecture, arguments.image_size, CLASSES)
    model.take_weights(network.sam)
    return model.requires_grad_(False).eval()


def agreement(arguments: argparse.Namespace) -> list[float]:
    """Dice of both models' class maps, for each image."""
    patches = images(arguments)
    network = deployed(arguments)
    yardstick = _plain_copy(network, arguments)
    with torch.inference_mode():
        expected = yardstick(patches)
        network.eval()
        predicting = torch.compile(network) if arguments.compile else network
        got = predicting(patches).argmax(1)
    expected = F.interpolate(expected, patches.shape[2:], mode="bilinear", align_corners=False).argmax(1)
    shares = [f"{(expected == label).float().mean().item():.2f}" for label in range(CLASSES)]
    print(f"Shares of the classes: {', '.join(shares)}")
    values: list[float] = class_map_agreement(got, expected, CLASSES).tolist()
    return values


def print_agreement_of_model(model: Path, images: Path) -> None:
    """Dice of the label maps of both precisions, and seconds with reading and tiles."""
    predictor = nnUNetPredictor(perform_everything_on_device=False, device=torch.device("cpu"))
    folds = [folder.name.removeprefix("fold_") for folder in sorted(model.glob("fold_*"))]
    predictor.initialize_from_trained_model_folder(str(model), tuple(folds))
    files = create_lists_from_splitted_dataset_folder(str(images), predictor.dataset_json["file_ending"])
    encoders = [module for module in predictor.network.modules() if isinstance(module, SamEncoder)]
    if not encoders:
        raise SystemExit(f"the model in {model} has no image encoder of segment_anything")
    precisions: tuple[PredictionPrecision, ...] = ("float32", "bfloat16")
    maps = []
    for precision in precisions:
        for encoder in encoders:
            encoder.prediction_precision = precision
        start = time.perf_counter()
        maps.append(predictor.predict_from_files_sequential(files, None))
        print(f"{precision}: {time.perf_counter() - start:.1f} s")
    for name, label in predictor.dataset_json["labels"].items():
        pairs = [(one == label, other == label) for one, other in zip(*maps, strict=True)]
        dice = [2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs if a.any() or b.any()]
        if not dice:
            continue
        print(f"{name}: Dice {np.mean(dice):.5f} on average of {len(dice)} images, {min(dice):.5f} at worst")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--architecture", default="vit_b", help="image encoder (default: %(default)s)")
    parser.add_argument("--image-size", type=int, default=512, help="side in pixels (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="patches at once (default: %(default)s)")
    parser.add_argument("--lessons", type=int, default=60, help="steps of the decoder (default: %(default)s)")
    parser.add_argument("--compile", action="store_true", help="measure it compiled as well")
    parser.add_argument("--model", type=Path, help="folder of a trained model, to be run on the CPU")
    parser.add_argument("--images", type=Path, help="folder of images for it, named as nnU-Net's")
    add_measuring_arguments(parser)
    arguments = parser.parse_args()
    if (arguments.model is None) != (arguments.images is None):
        parser.error("--model and --images belong together")
    if arguments.model is not None:
        print_agreement_of_model(arguments.model, arguments.images)
        print_machine(arguments, ("torch", "nnunetv2"))
        return
    variants = {"segment_anything": plain, "nnunetv2_semiseg": ours}
    if arguments.compile:
        variants["nnunetv2_semiseg, compiled"] = compiled
    measured = measure(variants, arguments)
    print_table(measured, baseline="segment_anything", unit="pass")
    print_rates(measured, arguments)
    print("Dice of both: " + ", ".join(f"{value:.5f}" for value in agreement(arguments)))
    print_machine(arguments, ("torch", "segment-anything"))


if __name__ == "__main__":
    main()
