"""Writes NAME.txt: the parameters of timm's encoders, one "name extent extent ..." a line, without the classifier.

    python3 seg/encoders/testdata/list_parameters.py convnextv2_atto convnextv2_nano convnextv2_tiny \\
        vit_base_patch16_224 eva02_large_patch14_448
"""

import os
import sys

import timm

for name in sys.argv[1:]:
    model = timm.create_model(name, pretrained=False)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".txt")
    with open(path, "w") as file:
        for key, value in model.state_dict().items():
            if not key.startswith("head."):
                file.write(" ".join([key, *map(str, value.shape)]) + "\n")
