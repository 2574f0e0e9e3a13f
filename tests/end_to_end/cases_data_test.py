"""Pictures, lists and folders as cameras, editors and other systems leave them: taken as people see them, or refused by name; nothing of theirs is lost."""

import json
import os
import re
import shutil
import unittest

from tests.end_to_end import commands, fixtures
from tests.end_to_end.commands import EVALUATE, INSPECT, PREDICT, RSS, RUNFILES, TINY, CasesTest, folder, png_bytes, run

COUNT_PIXELS = os.path.join(RUNFILES, "experiments/rss/scorers/count_pixels.sh")


class DataTest(CasesTest):
    trained = None

    @classmethod
    def network(cls):
        """A network of the 21 classes of VOC: what it says does not matter."""
        if DataTest.trained is None:
            DataTest.trained = folder("network") + "/psl/weights.safetensors"
            fixtures.write_voc(folder("network_voc"))
            result = run([RSS, *TINY, "--method=psl", *cls.voc(folder("network_voc")), f"--output={folder('network')}"])
            assert result.returncode == 0, result.stderr
        return DataTest.trained

    @staticmethod
    def voc(root):
        return ["--dataset=voc2012", f"--data_root={root}", "--image_scale=1"]

    @staticmethod
    def mapillary(root):
        return ["--dataset=mapillary", f"--data_root={root}", "--image_scale=1"]

    def predict(self, photos, maps, *flags):
        return [PREDICT, f"--checkpoint={self.network()}", f"--input={photos}", f"--output={maps}", *flags]

    def train(self, name, data, code=0, *parts):
        command = [RSS, *TINY, "--method=psl", *data, f"--output={folder(name)}"]
        return self.fail_with(code, command, *parts) if code else self.succeed(command)

    def inspect(self, name, data, split="train"):
        return run([INSPECT, *data, f"--split={split}", f"--output={folder(name)}"])


class OrientationTest(DataTest):
    WIDTH, HEIGHT = 48, 32

    def stored(self):
        """Each pixel says where in the raster it is."""
        return [(4 * x, 5 * y, (x * y) % 256) for y in range(self.HEIGHT) for x in range(self.WIDTH)]

    def shown(self, orientation):
        """(width, height, rows) as viewers show the raster; EXIF 2.3, tag 274: where row 0 and column 0 are."""
        pixels, w, h = self.stored(), self.WIDTH, self.HEIGHT
        turned = orientation >= 5
        at = {1: lambda x, y: (x, y), 2: lambda x, y: (w - 1 - x, y), 3: lambda x, y: (w - 1 - x, h - 1 - y), 4: lambda x, y: (x, h - 1 - y),
              5: lambda x, y: (y, x), 6: lambda x, y: (y, h - 1 - x), 7: lambda x, y: (w - 1 - y, h - 1 - x), 8: lambda x, y: (w - 1 - y, x)}[orientation]
        width, height = (h, w) if turned else (w, h)
        rows = []
        for y in range(height):
            places = [at(x, y) for x in range(width)]
            rows.append(b"".join(bytes(pixels[py * w + px]) for px, py in places))
        return width, height, rows

    def test_predict(self):
        photos, maps, raw = folder("tagged"), folder("tagged_maps"), folder("raw_maps")
        png = png_bytes(self.WIDTH, self.HEIGHT, 3, b"".join(bytes(pixel) for pixel in self.stored()))
        for orientation in range(1, 9):
            fixtures.write(f"{photos}/{orientation}.png", fixtures.png_with_exif(png, orientation))
        # The overlay without its colours is the photo as it was taken.
        self.succeed(self.predict(photos, maps, "--opacity=0"))
        self.succeed(self.predict(photos, raw, "--opacity=0", "--ignore_orientation"))
        for orientation in range(1, 9):
            with self.subTest(orientation):
                width, height, rows = self.shown(orientation)
                self.assertEqual(fixtures.read_png(f"{maps}/{orientation}_overlay.png"), (width, height, rows))
                self.assertEqual(fixtures.read_png(f"{maps}/{orientation}.png")[:2], (width, height))
                self.assertEqual(fixtures.read_png(f"{raw}/{orientation}_overlay.png"), self.shown(1))
                self.assertEqual(fixtures.read(f"{raw}/{orientation}.png"), fixtures.read(f"{raw}/1.png"))

    def test_predict_jpeg(self):
        photos, maps = folder("jpegs"), folder("jpeg_maps")
        for orientation in (1, 3, 6):
            grey = fixtures.jpeg(16, 8, 1, lambda column, row: (50 + 100 * column,), orientation)
            fixtures.write(f"{photos}/{orientation}.jpg", grey)
        self.succeed(self.predict(photos, maps, "--opacity=0"))
        row = bytes([50] * 24 + [150] * 24)
        self.assertEqual(fixtures.read_png(f"{maps}/1_overlay.png"), (16, 8, [row] * 8))
        self.assertEqual(fixtures.read_png(f"{maps}/3_overlay.png"), (16, 8, [row[::-1]] * 8))
        self.assertEqual(fixtures.read_png(f"{maps}/6_overlay.png"), (8, 16, [bytes([50] * 24)] * 8 + [bytes([150] * 24)] * 8))

    def write_turned(self, root):
        """Two of three training images with a tag; their labels are drawn on the pictures as shown."""
        fixtures.write_voc(root)
        fixtures.write_voc_list(root, "train", "straight\nturned180\nturned90\n")
        for name, orientation in (("straight", None), ("turned180", 3), ("turned90", 6)):
            width, height = (40, 48) if orientation == 6 else (48, 40)
            picture = fixtures.jpeg(48, 40, 3, lambda column, row: (90, 110, 180) if column < 2 else (160, 120, 90), orientation)
            fixtures.write_voc_pair(root, name, picture, png_bytes(width, height, 1, bytes(width * height)))

    def test_inspect_and_train(self):
        root = folder("turned_voc")
        self.write_turned(root)
        result = self.inspect("turned", self.voc(root))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"tags +2 images turned or mirrored by an orientation tag")
        self.assertIn("40×48", result.stdout)
        self.train("turned_run", self.voc(root))
        # Labels that follow the raster are of the other size, and the error says why.
        fixtures.write_voc_pair(root, "turned90", fixtures.read(fixtures.voc_folder(root, "JPEGImages/turned90.jpg")), png_bytes(48, 40, 1, bytes(48 * 40)))
        result = self.train("stored_run", self.voc(root), 1, "turned90.png", "48 x 40", "orientation 6")
        self.train("ignoring_run", [*self.voc(root), "--ignore_orientation"])
        # What the network was trained on it is evaluated on.
        weights = folder("ignoring_run") + "/psl/weights.safetensors"
        self.succeed([EVALUATE, f"--checkpoint={weights}", f"--data_root={root}", "--split=train"])
        self.fail_with(1, [EVALUATE, f"--checkpoint={weights}", f"--data_root={root}", "--split=train", "--ignore_orientation=false"], "turned90.png")


class FourInksTest(DataTest):
    # Without Adobe's marker too the stored values are how much of the light an ink lets through.
    def test_colors(self):
        photos, maps = folder("inks"), folder("ink_maps")
        blocks = [(255, 255, 255, 255), (0, 0, 0, 0), (255, 40, 30, 255), (20, 200, 100, 128), (255, 255, 255, 60), (130, 70, 220, 200)]
        fixtures.write(f"{photos}/cmyk.jpg", fixtures.jpeg(24, 16, 4, lambda column, row: blocks[3 * row + column]))
        self.succeed(self.predict(photos, maps, "--opacity=0"))
        width, height, rows = fixtures.read_png(f"{maps}/cmyk_overlay.png")
        self.assertEqual((width, height), (24, 16))
        for row in range(2):
            for column in range(3):
                inks = blocks[3 * row + column]
                pixel = rows[8 * row + 3][3 * (8 * column + 3) : 3 * (8 * column + 3) + 3]
                for seen, ink in zip(pixel, inks):
                    self.assertLessEqual(abs(seen - ink * inks[3] / 255), 2, (inks, pixel))


class NothingToScoreTest(DataTest):
    def scores(self, output, row):
        with open(os.path.join(folder(output), row, "scores.json")) as file:
            return json.load(file)

    def expect_no_scores(self, output, row, root):
        record = self.scores(output, row)
        self.assertEqual(record["scores"], [])
        self.assertEqual([curve for curve in record["validation_curves"] if curve["points"]], [])
        self.assertNotIn("null", fixtures.read(os.path.join(folder(output), row, "scores.json")).decode())
        # Read back, and shown again.
        again = self.succeed([RSS, "--resume", f"--output={folder(output)}"])
        self.assertNotIn("nan", again.stdout.lower())
        self.assertEqual(self.scores(output, row), record)
        self.assertNotIn("nan", fixtures.read(folder(output) + "/report.html").decode().lower().replace("nano", ""))
        result = self.succeed([EVALUATE, f"--checkpoint={folder(output)}/{row}/weights.safetensors", f"--data_root={root}"])
        self.assertIn("nothing to score", result.stdout)
        self.assertNotIn("mIoU", result.stdout)

    def void_camvid(self, name, splits):
        root = folder(name)
        commands.write_camvid(root)
        for split in splits:
            for label in os.listdir(f"{root}/{split}annot"):
                commands.write_png(f"{root}/{split}annot/{label}", 64, 48, 1, bytes([11]) * (64 * 48))
        return root, ["--dataset=camvid", f"--data_root={root}", "--image_scale=1"]

    def test_void_labels(self):
        root, data = self.void_camvid("void", ("train", "val"))
        for method in ("psl", "rss_image", "rss_pixel"):
            with self.subTest(method):
                result = self.succeed([RSS, *TINY, *data, f"--method={method}", f"--output={folder('void_' + method)}"])
                self.assertNotIn("nan", result.stdout.lower())
                self.expect_no_scores("void_" + method, method, root)

    # Rows beside each other, of which one is a share of the other.
    def test_void_validation_in_a_table(self):
        _, data = self.void_camvid("void_table", ("val",))
        result = self.succeed([RSS, *TINY, *data, f"--output={folder('void_compare')}"])
        self.assertIn("RSS (image-level reward)", result.stdout)
        again = self.succeed([RSS, "--resume", f"--output={folder('void_compare')}"])
        self.assertNotIn("nan", (result.stdout + again.stdout).lower())

    def test_reward_from_outside(self):
        root, data = self.void_camvid("outside", ("train", "val"))
        self.succeed([RSS, *TINY, *data, "--method=rss_image", f"--reward=exec:sh {COUNT_PIXELS} 1 0.5", f"--output={folder('outside_run')}"])
        self.expect_no_scores("outside_run", "rss_image", root)


class NamesTest(DataTest):
    # What macOS leaves on disks of other systems, and other companions.
    def test_companions(self):
        root, plain = folder("apple"), folder("plain")
        for place in (root, plain):
            fixtures.write_mapillary(place)
        for path, _, names in list(os.walk(root)):
            for name in names:
                fixtures.write(os.path.join(path, "._" + name), b"\0\5\x16\7\0\2\0\0Mac OS X")
            for name in (".DS_Store", "Thumbs.db", "desktop.ini", ".ipynb_checkpoints/k0_abc.jpg"):
                fixtures.write(os.path.join(path, name), b"\0")
        lines = []
        for name, place in (("apple", root), ("plain", plain)):
            result = self.inspect("inspected_" + name, self.mapillary(place))
            self.assertEqual(result.returncode, 0, result.stderr)
            lines.append(result.stdout.replace(folder("inspected_" + name), "FOLDER"))
            self.train(name + "_run", self.mapillary(place))
        self.assertEqual(*lines)
        self.assertEqual(*(fixtures.read(folder(name + "_run") + "/psl/weights.safetensors") for name in ("apple", "plain")))
        self.succeed(self.predict(f"{root}/training/images", folder("apple_maps")))
        self.assertEqual(len(os.listdir(folder("apple_maps"))), 6)

    def test_extensions(self):
        results = []
        fixtures.write_voc(folder("voc_jpg"))
        for extension in (".jpg", ".JPG", ".jpeg", ".JPEG", ".Jpg"):
            root = folder("voc" + extension.replace(".", "_of_"))
            fixtures.write_voc(root, extension)
            result = self.inspect("inspected" + extension, self.voc(root))
            self.assertEqual(result.returncode, 0, result.stderr)
            results.append(result.stdout.splitlines()[:3])
        self.assertEqual(results, [results[0]] * 5)
        root = folder("voc_of_JPG")
        self.train("letters_run", self.voc(root))
        photos = fixtures.voc_folder(root, "JPEGImages")
        self.succeed(self.predict(photos, folder("letters_maps")))
        self.assertEqual(len(os.listdir(folder("letters_maps"))), 8)
        # Labels in capitals.
        labels = fixtures.voc_folder(root, "SegmentationClass")
        for name in os.listdir(labels):
            os.rename(os.path.join(labels, name), os.path.join(labels, name.replace(".png", ".PNG")))
        self.train("letters_of_labels_run", self.voc(root))

    def test_files_that_are_left_out_are_counted(self):
        root = folder("left_out")
        fixtures.write_mapillary(root)
        images = f"{root}/training/images"
        fixtures.write(f"{images}/notes.txt", "mine")
        fixtures.write(f"{images}/k0_abc.gif", "GIF89a")
        result = self.inspect("left_out_inspected", self.mapillary(root))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"note .*2 ")
        self.assertIn("notes.txt", result.stdout)
        self.assertRegex(self.train("left_out_run", self.mapillary(root)).stdout, r"note +train: .*2 ")

    def test_class_names(self):
        root = folder("classes")
        fixtures.write_mapillary(root)
        self.train("classes_run", self.mapillary(root))
        weights = folder("classes_run") + "/psl/weights.safetensors"
        self.assertEqual(json.loads(fixtures.read_safetensors(weights)[1]["classes"]), fixtures.MAPILLARY_CLASSES)
        result = self.succeed([EVALUATE, f"--checkpoint={weights}", f"--data_root={root}"])
        for name in fixtures.MAPILLARY_CLASSES:
            self.assertIn("\n" + name, result.stdout)
        self.succeed([PREDICT, f"--checkpoint={weights}", f"--input={root}/validation/images", f"--output={folder('classes_maps')}"])
        self.succeed([RSS, *TINY, "--method=psl", *self.mapillary(root), f"--cold_start={weights}", f"--output={folder('classes_cold')}"])
        self.succeed([RSS, "--resume", "--steps=7", f"--output={folder('classes_run')}"])
        # The names alone are another dataset.
        other = folder("other_classes")
        fixtures.write_mapillary(other, ["Bird", "Curb", "cut", 'Lane "A"', "Sky"])
        self.fail_with(1, [EVALUATE, f"--checkpoint={weights}", f"--data_root={other}"], "class 1 ", "'Curb, cut'", "'Curb'")


class ListsTest(DataTest):
    def test_what_editors_make_of_lists(self):
        root = folder("lists")
        fixtures.write_voc(root)
        names = "2007_000000\n2007_000001\n"
        plain = None
        for split, contents in (("train", names), ("bom", b"\xef\xbb\xbf" + names.encode()), ("utf16le", b"\xff\xfe" + names.encode("utf-16-le")),
                                ("utf16be", b"\xfe\xff" + names.encode("utf-16-be")), ("crlf", names.replace("\n", "\r\n")),
                                ("cr", names.replace("\n", "\r")), ("blanks", " 2007_000000 \n\n2007_000001\t\n\n"), ("no_end", names.rstrip())):
            fixtures.write_voc_list(root, split, contents)
            with self.subTest(split):
                result = self.succeed([EVALUATE, f"--checkpoint={self.network()}", f"--data_root={root}", f"--split={split}"])
                lines = result.stdout.replace(f"split {split}", "split S")
                plain = plain or lines
                self.assertIn("2 images", lines)
                self.assertEqual(lines, plain)
                self.assertEqual(self.inspect("inspected_" + split, self.voc(root), split).returncode, 0)
        # UTF-16 without its mark is not guessed at, but named.
        fixtures.write_voc_list(root, "unmarked", names.encode("utf-16-le"))
        for command in ([EVALUATE, f"--checkpoint={self.network()}", f"--data_root={root}", "--split=unmarked"],
                        [INSPECT, *self.voc(root), "--split=unmarked", f"--output={folder('unmarked')}"]):
            self.fail_with(1, command, "unmarked.txt", "line 1")
        fixtures.write_voc_list(root, "train", names.encode("utf-16-le"))
        self.train("unmarked_run", self.voc(root), 1, "train.txt", "line 1")
        fixtures.write_voc_list(root, "train", b"\xff\xfe" + names.encode("utf-16-le"))
        self.train("marked_run", self.voc(root))

    # A label that a list names is that file.
    def test_a_label_file_that_is_not_there(self):
        root = folder("wrong_label")
        fixtures.write_voc(root)
        fixtures.write_voc_list(root, "train", "/JPEGImages/2007_000000.jpg /SegmentationClass/2007_000000_v2.png\n/JPEGImages/2007_000001.jpg /SegmentationClass/2007_000001.png\n")
        self.train("wrong_label_run", self.voc(root), 1, "SegmentationClass/2007_000000_v2.png", "does not exist")
        result = self.inspect("wrong_label_inspected", self.voc(root))
        self.assertEqual(result.returncode, 1)
        self.assertIn("2007_000000_v2.png", result.stdout)
        self.fail_with(1, [EVALUATE, f"--checkpoint={self.network()}", f"--data_root={root}", "--split=train"], "2007_000000_v2.png")

    def test_entries_that_occur_again(self):
        root = folder("repeated")
        commands.write_camvid(root)
        path = f"{root}/train.txt"
        lines = fixtures.read(path).decode().splitlines()
        fixtures.write(path, "\n".join([*lines, lines[1], lines[2], lines[1]]) + "\n")
        data = ["--dataset=camvid", f"--data_root={root}", "--image_scale=1"]
        result = self.train("repeated_run", data)
        self.assertRegex(result.stdout, r"note +train: train\.txt: 2 entries occur .*used once")
        self.assertIn("4 training", result.stdout)
        result = self.inspect("repeated_inspected", data)
        self.assertRegex(result.stdout, r"note +train\.txt: 2 entries occur .*used once")
        result = self.succeed([EVALUATE, f"--checkpoint={folder('repeated_run')}/psl/weights.safetensors", f"--data_root={root}", "--split=train"])
        self.assertRegex(result.stdout, r"note: train\.txt: 2 entries occur .*used once")
        self.assertIn("4 images", result.stdout)

    def test_names_with_spaces(self):
        root = folder("my photos")
        commands.write_camvid(root)
        for place in ("train", "trainannot"):
            os.rename(f"{root}/{place}/1.png", f"{root}/{place}/my photo 1.png")
        data = ["--dataset=camvid", f"--data_root={root}", "--image_scale=1"]
        lines = [f"train/{i}.png trainannot/{i}.png" for i in (0, 2, 3)]
        weights = []
        for name, line in (("tabs", "train/my photo 1.png\ttrainannot/my photo 1.png"), ("quotes", '"train/my photo 1.png" "trainannot/my photo 1.png"')):
            fixtures.write(f"{root}/train.txt", "\n".join([*lines, line]) + "\n")
            self.train(f"spaces {name}", data)
            weights.append(fixtures.read(folder(f"spaces {name}") + "/psl/weights.safetensors"))
        self.assertEqual(*weights)
        fixtures.write(f"{root}/train.txt", "\n".join([*lines, "train/my photo 1.png trainannot/my photo 1.png"]) + "\n")
        self.train("spaces bare", data, 1, "train.txt", "line 4", "tab", "quote")

        voc = folder("voc spaces")
        fixtures.write_voc(voc)
        fixtures.write_voc_list(voc, "train", "my photo\n2007_000000\n")
        pair = [fixtures.read(fixtures.voc_folder(voc, place)) for place in ("JPEGImages/2007_000001.jpg", "SegmentationClass/2007_000001.png")]
        fixtures.write_voc_pair(voc, "my photo", *pair)
        self.assertIn("2 training", self.train("voc spaces run", self.voc(voc)).stdout)
        fixtures.write_voc_list(voc, "train", "another photo\n2007_000000\n")
        self.train("voc spaces missing", self.voc(voc), 1, "train.txt", "another photo")

    # Where mmsegmentation's guide puts SBD: beside VOC2012, in a folder of its own.
    def test_sbd(self):
        for name, place in (("guide", "VOCaug/dataset"), ("release", "benchmark_RELEASE/dataset")):
            with self.subTest(name):
                root = folder("sbd_" + name)
                fixtures.write_voc(root)
                picture = fixtures.jpeg(48, 40, 3, lambda column, row: (90, 110, 180))
                fixtures.write(fixtures.voc_folder(root, "JPEGImages/2008_000001.jpg"), picture)
                fixtures.write(f"{root}/{place}/cls/2008_000001.mat", fixtures.sbd_label(48, 40, bytes([5] * (48 * 40))))
                fixtures.write(f"{root}/{place}/train.txt", "2008_000001\n")
                fixtures.write(f"{root}/{place}/val.txt", "2007_000050\n")  # of VOC's own validation images
                data = ["--dataset=voc2012_aug", f"--data_root={root}", "--image_scale=1"]
                result = self.inspect("sbd_inspected_" + name, data)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn("3 images", result.stdout)
                self.assertRegex(result.stdout, r"bottle +33\.333 +1\n")
                self.assertIn("3 training and 2 validation", self.train("sbd_run_" + name, data).stdout)


class SubmissionTest(DataTest):
    def test_ade20k(self):
        root = folder("ade20k")
        fixtures.write_ade20k(root)
        data = ["--dataset=ade20k", f"--data_root={root}"]
        result = self.inspect("ade20k_inspection", data, "val")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("ade20k, split val: 2 images, 150 classes", result.stdout)
        self.assertRegex(result.stdout, r"never seen: 147 classes\n  building, sky, .*\n(.*\n)* .*clock\n")
        self.train("ade20k_run", data)
        checkpoint = folder("ade20k_run") + "/psl/weights.safetensors"
        for split, images in (("val", f"{root}/ADEChallengeData2016/images/validation"), ("test", f"{root}/release_test/testing")):
            exported, predicted = folder(f"ade20k_{split}_export"), folder(f"ade20k_{split}_predicted")
            result = self.succeed([EVALUATE, f"--checkpoint={checkpoint}", f"--data_root={root}", f"--split={split}", f"--export={exported}"])
            if split == "val":
                scores = dict(re.findall(r"(\S(?:[^%:]*\S)?) (\d+\.\d\d) %", re.search(r"^mIoU .*$", result.stdout, re.MULTILINE)[0]))
                self.assertEqual(list(scores), ["mIoU", "pixel accuracy", "class accuracy", "kit mIoU", "kit score"])
                self.assertAlmostEqual(float(scores["kit score"]), (float(scores["pixel accuracy"]) + float(scores["kit mIoU"])) / 2, delta=0.0101)
            else:
                self.assertIn("the test server's", result.stdout)
            self.succeed([PREDICT, f"--checkpoint={checkpoint}", f"--input={images}", f"--output={predicted}", "--submission"])
            names = sorted(name.replace(".jpg", ".png") for name in os.listdir(images))
            self.assertEqual(sorted(os.listdir(exported)), names)
            self.assertEqual(sorted(os.listdir(predicted)), names)
            for name in names:
                rows = fixtures.read_png(f"{exported}/{name}")[2]
                self.assertEqual(fixtures.read_png(f"{predicted}/{name}")[2], rows)
                self.assertTrue(all(1 <= value <= 150 for value in b"".join(rows)))
        # A file of before does not say how classes are stored.
        tensors, metadata = fixtures.read_safetensors(checkpoint)
        del metadata["stored_values"]
        fixtures.write_safetensors(folder("before.safetensors"), tensors, metadata)
        self.fail_with(1, [PREDICT, f"--checkpoint={folder('before.safetensors')}", f"--input={images}", f"--output={predicted}", "--submission"],
                       "--submission", "ade20k")


class OverwritingTest(DataTest):
    def photo(self, value):
        return png_bytes(40, 32, 3, bytes([value, 255 - value, 77]) * (40 * 32))

    def contents(self, path):
        return {os.path.join(at, name): fixtures.read(os.path.join(at, name)) for at, _, names in os.walk(path) for name in names}

    def test_predict_in_place(self):
        photos = folder("in_place")
        for name in ("a.png", "b.png"):
            fixtures.write(f"{photos}/{name}", self.photo(len(name)))
        fixtures.write(f"{photos}/c.jpg", fixtures.jpeg(40, 32, 3, lambda column, row: (1, 2, 3)))
        before = self.contents(photos)
        os.symlink(photos, folder("another_name"))
        for source, target in ((photos, photos), (photos, photos + "/../in_place/"), (folder("another_name"), photos), (photos + "/a.png", photos)):
            self.fail_with(2, self.predict(source, target), "--output", "a.png")
            self.assertEqual(self.contents(photos), before)
        # An image whose map has another name is not replaced.
        self.succeed(self.predict(photos + "/c.jpg", photos))
        after = self.contents(photos)
        self.assertEqual({path: after[path] for path in before}, before)
        self.assertEqual(sorted(set(after) - set(before)), [f"{photos}/c.png", f"{photos}/c_overlay.png"])

    def test_predict_one_stem_twice(self):
        photos, maps = folder("stems"), folder("stem_maps")
        fixtures.write(f"{photos}/a.jpg", fixtures.jpeg(40, 32, 1, lambda column, row: (200,)))
        fixtures.write(f"{photos}/a.png", self.photo(9))
        fixtures.write(f"{photos}/b.png", self.photo(50))
        self.succeed(self.predict(photos, maps, "--opacity=0"))
        self.assertEqual(sorted(os.listdir(maps)), ["a.jpg.png", "a.jpg_overlay.png", "a.png.png", "a.png_overlay.png", "b.png", "b_overlay.png"])
        self.assertEqual(fixtures.read_png(f"{maps}/a.jpg_overlay.png")[2][0][:3], bytes((200, 200, 200)))
        self.assertEqual(fixtures.read_png(f"{maps}/a.png_overlay.png")[2][0][:3], bytes((9, 246, 77)))

    # The map of one image where the overlay of another would be.
    def test_predict_names_that_meet(self):
        photos, maps = folder("meeting"), folder("meeting_maps")
        for i, name in enumerate(("a.png", "a_overlay.png", "b.png")):
            fixtures.write(f"{photos}/{name}", self.photo(30 * i))
        self.succeed(self.predict(photos, maps, "--opacity=0"))
        overlays = {"a.png": 0, "a_overlay.png": 30, "b": 60}
        self.assertEqual(sorted(os.listdir(maps)), sorted(stem + end for stem in overlays for end in (".png", "_overlay.png")))
        for stem, value in overlays.items():
            self.assertEqual(fixtures.read_png(f"{maps}/{stem}_overlay.png")[2][0][0], value)
        # Names that cannot be kept apart are refused before anything is written.
        fixtures.write(f"{photos}/a.png.png", self.photo(200))
        self.fail_with(1, self.predict(photos, folder("met_maps")), "--input", "a.png", "a.png.png")
        self.assertFalse(os.path.exists(folder("met_maps")))

    def test_export_into_the_data(self):
        root = folder("export_camvid")
        commands.write_camvid(root)
        self.train("export_run", ["--dataset=camvid", f"--data_root={root}", "--image_scale=1"])
        before = self.contents(root)
        evaluate = [EVALUATE, f"--checkpoint={folder('export_run')}/psl/weights.safetensors", f"--data_root={root}"]
        os.symlink(root, folder("export_link"))
        for target in (f"{root}/valannot", root, f"{root}/new/folder", f"{folder('export_link')}/valannot"):
            self.fail_with(2, [*evaluate, f"--export={target}"], "--export", "--data_root")
            self.assertEqual(self.contents(root), before)
            self.assertFalse(os.path.exists(f"{root}/new"))
        self.succeed([*evaluate, f"--export={folder('exported')}"])
        self.assertEqual(sorted(os.listdir(folder("exported"))), [f"{i}.png" for i in range(4)])
        # Beside the data, though its name begins like the data's.
        self.succeed([*evaluate, f"--export={root}_predictions"])

    # Two samples of one id, of two folders: one file would hold the prediction of one of them.
    def test_export_of_one_id_twice(self):
        root = folder("twice_camvid")
        commands.write_camvid(root)
        shutil.copytree(f"{root}/val", f"{root}/val2")
        shutil.copytree(f"{root}/valannot", f"{root}/val2annot")
        with open(f"{root}/val.txt", "a") as file:
            file.write("val2/1.png val2annot/1.png\n")
        self.train("twice_run", ["--dataset=camvid", f"--data_root={root}", "--image_scale=1"])
        evaluate = [EVALUATE, f"--checkpoint={folder('twice_run')}/psl/weights.safetensors", f"--data_root={root}"]
        self.assertIn("5 images", self.succeed(evaluate).stdout)
        self.fail_with(1, [*evaluate, f"--export={folder('twice_export')}"], "--export", "1")

    def test_inspect_into_the_data(self):
        root = folder("inspect_camvid")
        commands.write_camvid(root)
        before = self.contents(root)
        self.succeed([INSPECT, "--dataset=camvid", f"--data_root={root}", f"--output={root}"])
        after = self.contents(root)
        self.assertEqual({path: after[path] for path in before}, before)


if __name__ == "__main__":
    unittest.main()
