#!/usr/bin/env python3
"""Times transformers' Glm4vForConditionalGeneration with random weights.

    python model_reference.py [--shape mid|full] [--device cpu|cuda] [--dtype bfloat16 ...] [--threads N]
        [--rows 1 8 32] [--text 300] [--decode 64] [--repeat 3]

`mid` has 116 million parameters, `full` is GLM-4.6V-Flash. The same shapes, picture, prompt and stages as the example
`bench` of crates/glm4v; prints one JSON object: milliseconds, and processor time under names that begin with `cpu_`.
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



def shape(ids, text, sections, vision):
    image, video, begin, end = ids
    return dict(
        image_token_id=image, video_token_id=video, image_start_token_id=begin, image_end_token_id=end,
        tie_word_embeddings=False,
        text_config=dict(
            **text, num_key_value_heads=2, rms_norm_eps=1e-5, pad_token_id=0,
            rope_parameters=dict(
                rope_type="default", rope_theta=500000.0, partial_rotary_factor=0.5, mrope_section=sections
            ),
        ),
        vision_config=dict(
            **vision, image_size=336, patch_size=14, spatial_merge_size=2, temporal_patch_size=2, rms_norm_eps=1e-5
        ),
    )


SHAPES = dict(
    mid=shape(
        (15900, 15901, 15902, 15903),
        dict(vocab_size=16000, hidden_size=768, intermediate_size=2560, num_hidden_layers=10, num_attention_heads=12,
             max_position_embeddings=8192),
        [4, 6, 6],
        dict(depth=8, hidden_size=384, num_heads=6, intermediate_size=2048, out_hidden_size=768),
    ),
    full=shape(
        (151363, 151364, 151339, 151340),
        dict(vocab_size=151552, hidden_size=4096, intermediate_size=13696, num_hidden_layers=40,
             num_attention_heads=32, max_position_embeddings=131072),
        [8, 12, 12],
        dict(depth=24, hidden_size=1536, num_heads=12, intermediate_size=13696, out_hidden_size=4096),
    ),
)


def picture():
    y, x = np.mgrid[0:768, 0:1024]
    values = np.stack([x * 255 // 1024, y * 255 // 768, (x * 7 + y * 13) % 256], -1)
    return Image.fromarray(values.astype(np.uint8), "RGB")


class Laps:
    """Milliseconds between calls, with the device's work done."""

    def __init__(self, device):
        self.device, self.times = device, {}
        self.start = time.perf_counter(), time.process_time()

    def tick(self, name):
        if self.device == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter(), time.process_time()
        for prefix, since, until in zip(("", "cpu_"), self.start, now):
            self.times[prefix + name] = (until - since) * 1e3
        self.start = now


@torch.no_grad()
def run(model, processor, args):
    inner, image_token = model.model, model.config.image_token_id
    laps = Laps(args.device)
    pixels = processor(images=[picture()], return_tensors="pt")
    grid = pixels["image_grid_thw"].to(args.device)
    laps.tick("preprocess_ms")
    values = pixels["pixel_values"].to(args.device, model.dtype)
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
    times["decode_ms_per_token"] = times[f"decode_ms_per_token_{args.rows[0]}"]
    return times


def best(dtype, processor, args):
    """The least of each figure over the repeats."""
    torch.manual_seed(0)
    with torch.device(args.device):
        model = Glm4vForConditionalGeneration._from_config(
            Glm4vConfig(**SHAPES[args.shape]), dtype=getattr(torch, dtype), attn_implementation="sdpa"
        )
    model = model.to(args.device).eval()
    runs = [run(model, processor, args) for _ in range(args.repeat)]
    return {key: min(run[key] for run in runs) for key in runs[0]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=SHAPES, default="full")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", nargs="+", default=["bfloat16"])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--text", type=int, default=300)
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    processor = Glm4vImageProcessor(size={"shortest_edge": 12544, "longest_edge": 9633792})
    processor(images=[picture()], return_tensors="pt")  # its first call loads code
    print(json.dumps({
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "runs": {dtype: best(dtype, processor, args) for dtype in args.dtype},
    }))


if __name__ == "__main__":
    main()
