#!/usr/bin/env python3
"""Times transformers' Glm4vForConditionalGeneration of GLM-4.6V-Flash's full shape, in bfloat16, with random weights.

    python model_gpu.py [--device cuda] [--rows 1 8 32] [--text 300] [--decode 64] [--repeat 3]

The same picture, prompt and stages as the example `bench` of crates/glm4v; prints one JSON object.
"""
import argparse
import copy
import json
import os
import statistics
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import Glm4vConfig, Glm4vForConditionalGeneration
from transformers.models.glm4v.image_processing_glm4v import Glm4vImageProcessor

FULL = dict(
    image_token_id=151363, video_token_id=151364, image_start_token_id=151339, image_end_token_id=151340,
    tie_word_embeddings=False,
    text_config=dict(
        vocab_size=151552, hidden_size=4096, intermediate_size=13696, num_hidden_layers=40, num_attention_heads=32,
        num_key_value_heads=2, rms_norm_eps=1e-5, max_position_embeddings=131072, pad_token_id=151329,
        rope_parameters=dict(
            rope_type="default", rope_theta=500000.0, partial_rotary_factor=0.5, mrope_section=[8, 12, 12]
        ),
    ),
    vision_config=dict(
        depth=24, hidden_size=1536, num_heads=12, intermediate_size=13696, out_hidden_size=4096, image_size=336,
        patch_size=14, spatial_merge_size=2, temporal_patch_size=2, rms_norm_eps=1e-5,
    ),
)


def picture():
    y, x = np.mgrid[0:768, 0:1024]
    values = np.stack([x * 255 // 1024, y * 255 // 768, (x * 7 + y * 13) % 256], -1)
    return Image.fromarray(values.astype(np.uint8), "RGB")


class Laps:
    """Milliseconds between calls, with the device's work done."""

    def __init__(self, device):
        self.device, self.times, self.start = device, {}, time.perf_counter()

    def tick(self, name):
        if self.device == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.times[name] = (now - self.start) * 1e3
        self.start = now


@torch.no_grad()
def run(model, processor, args):
    inner, image_token = model.model, model.config.image_token_id
    laps = Laps(args.device)
    pixels = processor(images=[picture()], return_tensors="pt")
    grid = pixels["image_grid_thw"].to(args.device)
    laps.tick("preprocess_ms")
    values = pixels["pixel_values"].to(args.device, torch.bfloat16)
    seen = torch.cat(list(inner.get_image_features(values, grid, return_dict=True).pooler_output))
    laps.tick("vision_ms")
    word = [(100 + i * 7919 % 14000) for i in range(args.text)]
    ids = torch.tensor([word[:20] + [image_token] * len(seen) + word[20:]], device=args.device)
    is_image = ids == image_token
    positions, delta = inner.get_rope_index(ids, is_image.int(), image_grid_thw=grid)
    embeds = inner.language_model.embed_tokens(ids)
    embeds = embeds.masked_scatter(is_image[..., None], seen.to(embeds.dtype))
    out = inner.language_model(inputs_embeds=embeds, position_ids=positions, use_cache=True)
    token = model.lm_head(out.last_hidden_state[:, -1]).argmax(-1, keepdim=True)
    laps.tick("prefill_text_ms")
    times = laps.times
    times["first_token_ms"] = sum(times[k] for k in ("preprocess_ms", "vision_ms", "prefill_text_ms"))
    for rows in args.rows:
        cache = copy.deepcopy(out.past_key_values)
        cache.batch_repeat_interleave(rows)
        chosen, steps = token.repeat(rows, 1), []
        for index in range(args.decode):
            start = time.perf_counter()
            at = torch.full((3, rows, 1), ids.shape[1] + index + int(delta[0, 0]), device=args.device)
            step = inner.language_model(input_ids=chosen, position_ids=at, past_key_values=cache, use_cache=True)
            chosen = model.lm_head(step.last_hidden_state[:, -1]).argmax(-1, keepdim=True)
            chosen.tolist()  # what is served has to arrive
            steps.append((time.perf_counter() - start) * 1e3)
        times[f"decode_ms_per_token_{rows}"] = statistics.median(steps)
        del cache
    return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--text", type=int, default=300)
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(0)
    with torch.device(args.device):
        model = Glm4vForConditionalGeneration._from_config(
            Glm4vConfig(**FULL), dtype=torch.bfloat16, attn_implementation="sdpa"
        )
    model = model.to(args.device).eval()
    processor = Glm4vImageProcessor(size={"shortest_edge": 12544, "longest_edge": 9633792})
    runs = [run(model, processor, args) for _ in range(args.repeat)]
    print(json.dumps({
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "best": {key: min(run[key] for run in runs) for key in runs[0]},
    }))


if __name__ == "__main__":
    main()
