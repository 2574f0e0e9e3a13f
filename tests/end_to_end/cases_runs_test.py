"""Runs as users start, stop and repeat them: signals, folders, settings, data that breaks late, launchers, full disks."""

import contextlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import time
import unittest

from tests.end_to_end import commands, fixtures
from tests.end_to_end.commands import EVALUATE, INSPECT, PREDICT, RSS, TINY, CasesTest, folder, run, start

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A run that does not end by itself.
ENDLESS = ["--method=psl", "--steps=1000000", "--batch_size=2", "--crop=32", "--threads=1", "--evaluate_every=0", "--checkpoint_every=2"]


def checkpoints(output, row="psl"):
    path = os.path.join(output, row, "checkpoints")
    names = os.listdir(path) if os.path.isdir(path) else []
    return sorted(os.path.join(path, name) for name in names if name.endswith(".safetensors"))


def weights(output, row="psl"):
    return fixtures.read(os.path.join(output, row, "weights.safetensors"))


def wait_for(condition, process):
    while process.poll() is None and not condition():
        time.sleep(0.005)
    return process.poll() is None


@contextlib.contextmanager
def living(output, *flags):
    """A run that has written its first checkpoint and goes on."""
    process = start([RSS, *ENDLESS, *flags, f"--output={output}"])
    try:
        if not wait_for(lambda: checkpoints(output), process):
            raise AssertionError(process.communicate()[1])
        yield process
    finally:
        process.kill()
        process.communicate()


class SignalTest(CasesTest):
    # At whatever moment the signal comes, the run ends as it says, and what it leaves goes on to the same bits. Two threads and small batches: most of
    # the time goes into the libraries' kernels, whose stacks no handler may use.
    def test_at_random_moments(self):
        count = int(os.environ.get("SIGNALS", "24"))
        command = [RSS, "--method=rss_image", "--steps=30", "--batch_size=2", "--group_size=2", "--reward_scales=8,4", "--crop=64", "--threads=2",
                   "--evaluate_every=20", "--evaluation_images=4", "--checkpoint_every=7", "--seed=2"]
        whole = folder("signals_whole")
        before = time.monotonic()
        self.succeed([*command, f"--output={whole}"])
        seconds = time.monotonic() - before
        draw = random.Random(11)
        stopped = 0
        for i in range(count):
            output, number = folder(f"signals_{i}"), STOPS[i % len(STOPS)]
            process = start([*command, f"--output={output}"])
            time.sleep(draw.uniform(0, seconds))
            process.send_signal(number)
            text, errors = process.communicate()
            with self.subTest(run=i, signal=number.name):
                if process.returncode == -number:  # it came before main() did, or when all was done
                    done = os.path.exists(f"{output}/rss_image/scores.json")
                    self.assertEqual(os.path.exists(output), done, errors)
                else:
                    self.assertIn(process.returncode, (0, 128 + number), errors)
                if process.returncode == 128 + number and "Go on with" in text:
                    stopped += 1
                    self.assertTrue(checkpoints(output, "rss_image"), errors)
                self.succeed([*command, "--resume", f"--output={output}"])
                self.assertEqual(weights(whole, "rss_image"), weights(output, "rss_image"))
            shutil.rmtree(output)
        print(f"{stopped} of {count} runs were stopped after their first step began")
        self.assertGreater(stopped, 0)

    def test_each_signal_has_its_code(self):
        for number in STOPS:
            with self.subTest(number.name), living(folder(number.name)) as process:
                process.send_signal(number)
                text, errors = process.communicate()
                self.assertEqual(process.returncode, 128 + number, errors)
                step = int(re.search(r"Stopped after step (\d+); everything is saved", text)[1])
                newest = checkpoints(folder(number.name))[-1]
                self.assertTrue(newest.endswith(f"step_{step:09d}.safetensors"), newest)
                self.succeed([EVALUATE, f"--checkpoint={newest}", "--limit=2"])

    # nohup: what the process was started to ignore stays ignored.
    def test_an_ignored_signal_is_ignored(self):
        output = folder("nohup")
        process = start([RSS, *TINY, "--method=psl", "--steps=40", f"--output={output}"], ignored=(signal.SIGHUP,))
        self.assertTrue(wait_for(lambda: checkpoints(output), process))
        process.send_signal(signal.SIGHUP)
        _, errors = process.communicate()
        self.assertEqual(process.returncode, 0, errors)

    def test_twice_is_at_once(self):
        with living(folder("twice"), "--evaluate_every=2", "--crop=64") as process:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
            while process.poll() is None:
                process.send_signal(signal.SIGTERM)
                time.sleep(0.001)
            self.assertEqual(process.returncode, 128 + signal.SIGTERM)

    def test_what_killed_runs_leave_is_removed(self):
        output = folder("killed")
        with living(output) as process:
            process.kill()
            process.communicate()
        left = ["settings.77.0.tmp", "report.html.77.12.tmp", "psl/weights.safetensors.77.3.tmp", "psl/pictures/validation_1.png.77.4.tmp",
                "psl/checkpoints/step_000000009.safetensors.77.1.tmp"]
        kept = ["notes.tmp", "psl/checkpoints/of mine.tmp"]
        for name in left + kept:
            fixtures.write(os.path.join(output, name), "half")
        process = start([RSS, "--resume", f"--output={output}"])
        self.assertTrue(wait_for(lambda: not any(os.path.exists(os.path.join(output, name)) for name in left), process))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        self.assertEqual(process.returncode, 128 + signal.SIGINT, errors)
        for name in kept:
            self.assertTrue(os.path.exists(os.path.join(output, name)), name)
        names = [name for _, _, files in os.walk(output) for name in files if name.endswith(".tmp")]
        self.assertEqual(sorted(names), sorted(os.path.basename(name) for name in kept))


class FolderTest(CasesTest):
    def folder_of(self, text):
        return re.search(r"^  output  (.*)$", text, re.MULTILINE)[1]

    def test_three_starts_at_once(self):
        here = folder("three")
        os.makedirs(here)
        processes = [start([RSS, *TINY, "--method=psl", f"--seed={seed}"], cwd=here) for seed in (1, 2, 3)]
        outputs = set()
        for seed, process in zip((1, 2, 3), processes):
            text, errors = process.communicate()
            self.assertEqual(process.returncode, 0, errors)
            output = self.folder_of(text)
            outputs.add(output)
            self.assertIn(f"\nseed={seed}\n", fixtures.read(f"{output}/settings").decode())
            with open(f"{output}/psl/scores.json", "rb") as file:
                self.assertIn(["seed", str(seed)], json.load(file)["settings"])
            alone = folder(f"alone_{seed}")
            self.succeed([RSS, *TINY, "--method=psl", f"--seed={seed}", f"--output={alone}"])
            self.assertEqual(weights(alone), weights(output))
        self.assertEqual(outputs, {f"{here}/runs/rss_pascal_context_{i:03d}" for i in (1, 2, 3)})

    def test_a_folder_in_use_is_refused(self):
        output = folder("in_use")
        with living(output) as process:
            for flags in ([], ["--resume"], ["--resume", "--settings=" + os.path.join(output, "settings")], ["--method=rss_image"]):
                self.fail_with(1, [RSS, *TINY, *flags, f"--output={output}"], "--output", output, f"process {process.pid} ")
            process.send_signal(signal.SIGINT)
            text, errors = process.communicate()
            self.assertEqual(process.returncode, 128 + signal.SIGINT, errors)
        # Free again; and free after a kill.
        with living(output, "--resume") as process:
            process.kill()
            process.communicate()
        with living(output, "--resume"):
            pass

    def test_two_with_one_folder(self):
        output = folder("one_folder")
        processes = [start([RSS, *TINY, "--method=psl", f"--output={output}"]) for _ in range(2)]
        results = [process.communicate() for process in processes]
        # The one that is late is refused, whether the other one runs or has ended. Its name is unknown for a moment,
        # between the lock and what is written into it.
        self.assertEqual(sorted(process.returncode for process in processes), [0, 1], results)
        late = results[[process.returncode for process in processes].index(1)][1]
        self.assertIn(output, late)
        self.assertTrue("is in use by process" in late or "is in use by another process" in late or "already holds a run" in late, late)
        self.assertTrue(weights(output))

    def test_which_run_is_the_latest(self):
        here = folder("latest")
        os.makedirs(here)
        tiny = [RSS, *TINY, "--method=psl"]
        for _ in range(3):
            self.succeed(tiny, cwd=here)
        runs = f"{here}/runs/rss_pascal_context_"
        shutil.rmtree(runs + "002")
        self.assertEqual(self.folder_of(self.succeed([RSS, "--resume", "--steps=7"], cwd=here).stdout), runs + "003")
        self.assertEqual(self.folder_of(self.succeed(tiny, cwd=here).stdout), runs + "004")
        shutil.rmtree(runs + "004")
        self.assertEqual(self.folder_of(self.succeed(tiny, cwd=here).stdout), runs + "005")
        # What is no run's number is no run.
        os.makedirs(runs + "backup")
        os.makedirs(runs + "006.old")
        self.assertEqual(self.folder_of(self.succeed([RSS, "--resume", "--steps=8"], cwd=here).stdout), runs + "005")
        empty = folder("no_runs")
        os.makedirs(empty)
        self.fail_with(1, [RSS, "--resume"], "--resume", "runs/rss_pascal_context_001", cwd=empty)

    def test_home_folder(self):
        home, here = folder("home"), folder("here")
        os.makedirs(home)
        os.makedirs(here)
        environment = {**os.environ, "HOME": home}
        self.succeed([RSS, *TINY, "--method=psl", "--output=~/runs/first"], cwd=here, env=environment)
        self.assertTrue(weights(f"{home}/runs/first"))
        commands.write_png(f"{home}/a.png", 40, 32, 3, bytes(40 * 32 * 3))
        self.succeed([PREDICT, "--checkpoint=~/runs/first/psl/weights.safetensors", "--input", "~/a.png", "--output=~/maps"], cwd=here, env=environment)
        self.assertEqual(sorted(os.listdir(f"{home}/maps")), ["a.png", "a_overlay.png"])
        self.succeed([EVALUATE, "--checkpoint=~/runs/first/psl/weights.safetensors", "--limit=2", "--export=~/export"], cwd=here, env=environment)
        self.assertEqual(len(os.listdir(f"{home}/export")), 2)
        self.succeed([INSPECT, "--limit=2", "--output=~/inspection"], cwd=here, env=environment)
        self.succeed([RSS, "--settings=~/runs/first/settings", "--cold_start=~/runs/first/psl/weights.safetensors", "--output=~/second/"],
                     cwd=here, env=environment)
        self.assertTrue(weights(f"{home}/second"))
        self.assertEqual(os.listdir(here), [])


class SettingsTest(CasesTest):
    # Not one of them as any preset has it.
    MANY = ["--method=rss_image", "--steps=30", "--batch_size=3", "--group_size=3", "--reward_scales=8,2", "--crop=32", "--seed=5",
            "--learning_rate=0.0123", "--warm_up_steps=3", "--decay_power=1.1", "--weight_decay=0.02", "--last_layer_factor=2", "--clip_norm=0.7",
            "--average_decay=0.8", "--advantage=psd", "--normalization=all", "--reward_classes=union", "--progressive", "--resampled_share=0.3",
            "--clip=0.3", "--divergence_weight=0.01", "--entropy_weight=0.03", "--scene_classes=5", "--scene_images=24", "--optimizer=rmsprop",
            "--evaluate_every=11", "--evaluation_images=3", "--checkpoint_every=4", "--log_every=3", "--precision=bfloat16", "--threads=1"]

    def test_a_run_goes_on_and_is_repeated_with_its_own_settings(self):
        whole, broken, again = folder("many_whole"), folder("many broken"), folder("many_again")
        self.succeed([RSS, *self.MANY, f"--output={whole}"])
        process = start([RSS, *self.MANY, f"--output={broken}"])
        wait_for(lambda: checkpoints(broken, "rss_image"), process)
        process.send_signal(signal.SIGINT)
        text, errors = process.communicate()
        self.assertEqual(process.returncode, 128 + signal.SIGINT, errors)
        # As a person takes it from the screen.
        hint = re.search(r"Go on with (--resume .*)", text)[1]
        self.succeed(["bash", "-c", f"{shlex.quote(RSS)} {hint}"])
        self.assertEqual(weights(whole, "rss_image"), weights(broken, "rss_image"))

        self.succeed([RSS, f"--settings={whole}/settings", f"--output={again}"])
        self.assertEqual(weights(whole, "rss_image"), weights(again, "rss_image"))

        def settings(output):
            return [line for line in fixtures.read(f"{output}/settings").decode().splitlines() if not line.startswith(("output=", "resume=", "settings="))]

        self.assertEqual(settings(whole), settings(again))
        self.assertEqual(settings(whole), settings(broken))
        # A flag beside the file counts.
        self.succeed([RSS, f"--settings={whole}/settings", "--steps=2", f"--output={folder('many_short')}"])
        self.assertIn("\nsteps=2\n", fixtures.read(folder("many_short") + "/settings").decode())

    def test_a_file_of_settings_is_checked(self):
        for name, text, parts in (("unknown", "# mine\nstep=3\n", (":2", "step", "did you mean --steps?")), ("value", "steps=few\n", (":1", "few", "--steps")),
                                  ("no_value", "\n\nsteps\n", (":3", "steps")), ("bounds", "steps=0\n", ("--steps=0", "at least 1"))):
            path = folder(f"settings_{name}")
            fixtures.write(path, text)
            result = run([RSS, f"--settings={path}", f"--output={folder('of_' + name)}"])
            self.assertIn(result.returncode, (1, 2), result.stderr)
            for part in parts:
                self.assertIn(part, result.stderr)
            self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
            self.assertFalse(os.path.exists(folder("of_" + name)))
        self.fail_with(1, [RSS, f"--settings={folder('not_there')}"], "--settings", "not_there")

    def test_other_settings_are_refused(self):
        root, moved, output = folder("data"), folder("moved"), folder("to_go_on")
        commands.write_camvid(root)
        shutil.copytree(root, moved)
        own = [*TINY, "--method=psl", "--dataset=camvid", f"--data_root={root}", "--image_scale=1"]
        self.succeed([RSS, *own, f"--output={output}"])
        settings = fixtures.read(f"{output}/settings")
        state = weights(output)
        resume = [RSS, "--resume", f"--output={output}"]
        for name, before, now in (
                ("batch_size", 2, 3), ("learning_rate", 0.003, 0.5), ("crop", 32, 64), ("precision", "float32", "bfloat16"), ("dataset", "camvid", "voc2012"),
                ("data_root", root, moved), ("image_scale", 1, 0.5), ("clip", 0.2, 0.3), ("inner_updates", 1, 2), ("scene_images", 0, 8), ("model", "micro", "atto"),
                ("group_size", 2, 4), ("optimizer", "adamw", "sgd"), ("window", "empty", 32), ("auxiliary_weight", 0, 0.4)):
            with self.subTest(name):
                self.fail_with(2, [*resume, f"--{name}={now}"], f"--{name} is {before} there, {now} here")
        # All that differ, in one line.
        self.fail_with(2, [*resume, "--batch_size=3", "--clip=0.3"], "--batch_size is 2 there, 3 here", "--clip is 0.2 there, 0.3 here")
        # Another seed, and fewer steps than are done, are found out later; nothing has changed then either.
        self.fail_with(1, [*resume, "--seed=9"], "--seed is 0 there, 9 here")
        self.fail_with(1, [*resume, "--steps=4"], "step 6", "--steps=4")
        self.assertEqual(fixtures.read(f"{output}/settings"), settings)
        # The same values are no other ones, and what shows no other result may change.
        self.succeed([RSS, "--resume", *own, f"--output={output}"])
        self.succeed([*resume, "--evaluate_every=2", "--checkpoint_every=5", "--threads=2", "--log_every=1", "--loader_threads=2", "--evaluation_images=1"])
        self.assertEqual(weights(output), state)
        # A longer run is another result, to which this one goes on.
        longer = self.succeed([*resume, "--steps=9"])
        self.assertIn("mIoU", longer.stdout)
        self.assertTrue(checkpoints(output)[-1].endswith("step_000000009.safetensors"))
        self.assertIn(b"\nsteps=9\n", fixtures.read(f"{output}/settings"))

    # The score of a finished run is never shown as that of another one.
    def test_a_finished_run_keeps_its_score(self):
        output = folder("finished")
        self.succeed([RSS, *TINY, "--method=psl", f"--output={output}"])
        for flag in ("--clip=0.4", "--inner_updates=3", "--scene_images=12", "--momentum=0.5", "--sharpness=3", "--drop_path=0.1", "--scene_classes=7"):
            with self.subTest(flag):
                result = self.fail_with(2, [RSS, "--resume", flag, f"--output={output}"], flag.split("=")[0] + " is ")
                self.assertNotIn("mIoU", result.stdout)
        shown = self.succeed([RSS, "--resume", f"--output={output}"])
        self.assertIn("mIoU", shown.stdout)
        # Also where the folder has lost its settings: its scores say with which they were reached.
        os.remove(f"{output}/settings")
        self.fail_with(1, [RSS, *TINY, "--method=psl", "--clip=0.4", "--resume", f"--output={output}"], "scores.json", "--clip is 0.2 there, 0.4 here")


class LateDataTest(CasesTest):
    def setUp(self):
        self.root = folder(self.id())
        commands.write_camvid(self.root)
        self.output = self.root + "_run"
        self.command = [RSS, *TINY, "--dataset=camvid", f"--data_root={self.root}", "--image_scale=1", "--method=psl", f"--output={self.output}"]

    # What a look at the file tells is told before the first step, wherever in the lists the file is.
    def test_a_cut_file(self):
        for part in ("val/3.png", "valannot/2.png", "train/3.png", "trainannot/1.png"):
            path = os.path.join(self.root, part)
            whole = fixtures.read(path)
            for damaged in (whole[: len(whole) * 2 // 3], whole[:-12], b"", b"<html>"):
                fixtures.write(path, damaged)
                result = self.fail_with(1, self.command, path)
                self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
                self.assertFalse(os.path.exists(self.output))
            fixtures.write(path, whole)

    def test_an_image_whose_damage_only_decoding_shows(self):
        whole_run = self.root + "_whole"
        self.succeed([*self.command[:-1], f"--output={whole_run}"])
        path = os.path.join(self.root, "val/3.png")
        whole = fixtures.read(path)
        fixtures.write(path, fixtures.broken_inside(whole))
        saved = checkpoints(self.output)
        result = self.fail_with(1, self.command, path, "the state after step 3 is saved in")
        saved = re.search(r"is saved in (\S+)", result.stderr)[1]
        self.assertIn(saved, checkpoints(self.output))
        fixtures.write(path, whole)
        self.succeed([EVALUATE, f"--checkpoint={saved}", f"--data_root={self.root}"])
        self.succeed([RSS, "--resume", f"--output={self.output}"])
        self.assertEqual(weights(whole_run), weights(self.output))

    def test_a_training_image_whose_damage_only_decoding_shows(self):
        path = os.path.join(self.root, "train/3.png")
        fixtures.write(path, fixtures.broken_inside(fixtures.read(path)))
        # Steps of one image, so that some are done before it comes, unless it comes first.
        result = self.fail_with(1, [*self.command, "--batch_size=1", "--crop=64"], path)
        step = re.search(r"the state after step (\d+) is saved in (\S+)", result.stderr)
        self.assertEqual(checkpoints(self.output), [step[2]] if step else [])


class SlurmTest(CasesTest):
    TASKS = {"SLURM_JOB_ID": "17", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}

    def environment(self, **variables):
        return {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "OMPI_", "PMI"))} | variables

    # What Slurm sets for a batch script: one process, whatever the allocation.
    def test_allocation_without_srun(self):
        for name, variables in (("bare", {}), ("one", {"SLURM_NTASKS": "1"}), ("four", {"SLURM_NTASKS": "4", "SLURM_NPROCS": "4"})):
            with self.subTest(name):
                result = self.succeed([RSS, *TINY, "--method=psl", f"--output={folder('slurm_' + name)}"], env=self.environment(**self.TASKS, **variables))
                said = [line for line in result.stderr.splitlines() if "srun" in line]
                self.assertEqual(len(said), 1, result.stderr)
                self.assertIn("one rank", said[0])
                self.assertNotIn("ranks", result.stdout)
        result = self.succeed([EVALUATE, f"--checkpoint={folder('slurm_one')}/psl/weights.safetensors", "--limit=2"], env=self.environment(**self.TASKS))
        self.assertIn("one rank", result.stderr)
        # salloc's shell has no rank at all.
        result = self.succeed([EVALUATE, f"--checkpoint={folder('slurm_one')}/psl/weights.safetensors", "--limit=2"],
                              env=self.environment(SLURM_JOB_ID="17", SLURM_NTASKS="4"))
        self.assertNotIn("srun", result.stderr)

    def test_step_of_srun(self):
        step = self.environment(**self.TASKS, SLURM_NTASKS="4", SLURM_STEP_ID="0", SLURM_STEP_NUM_TASKS="1")
        result = self.succeed([RSS, *TINY, "--method=psl", f"--output={folder('step')}"], env=step)
        self.assertNotIn("one rank", result.stderr)
        # Nonsense names the variable.
        step["SLURM_STEP_NUM_TASKS"] = "many"
        self.fail_with(1, [RSS, *TINY, f"--output={folder('nonsense')}"], "SLURM_STEP_NUM_TASKS=many", env=step)


@unittest.skipUnless(os.path.exists("/dev/full"), "there is no /dev/full")
class FullTest(CasesTest):
    def test_results_that_cannot_be_written(self):
        output = folder("full")
        self.succeed([RSS, *TINY, "--method=psl", f"--output={output}"])
        checkpoint = f"--checkpoint={output}/psl/weights.safetensors"
        photo = folder("photo.png")
        commands.write_png(photo, 40, 32, 3, bytes(40 * 32 * 3))
        for command in ([EVALUATE, checkpoint, "--limit=2"], [PREDICT, checkpoint, f"--input={photo}", f"--output={folder('full_maps')}"],
                        [RSS, *TINY, "--method=psl", f"--output={folder('full_run')}"], [INSPECT, "--limit=2", f"--output={folder('full_inspection')}"],
                        [EVALUATE, "--help"]):
            with self.subTest(command[0]), open("/dev/full", "w") as full:
                process = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=commands.TEMPORARY)
                self.assertEqual(process.returncode, 1, process.stderr)
                self.assertIn("standard output", process.stderr)
                self.assertIn("No space left on device", process.stderr)
        # What could be written was.
        self.assertEqual(weights(output), weights(folder("full_run")))
        self.assertEqual(sorted(os.listdir(folder("full_maps"))), ["photo.png", "photo_overlay.png"])

    # As with | head: the run is none the worse for it, and says that not all could be shown.
    def test_a_reader_that_leaves(self):
        output = folder("reader")
        command = shlex.join([RSS, *TINY, "--method=psl", f"--output={output}"])
        result = run(["bash", "-c", f"{command} | head -1; exit ${{PIPESTATUS[0]}}"])
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(len(result.stdout.splitlines()), 1)
        self.assertIn("Broken pipe", result.stderr)
        self.assertTrue(weights(output))
        # Help is for pagers.
        result = run(["bash", "-c", f"{RSS} --help | head -1"])
        self.assertEqual(result.stderr, "")


if __name__ == "__main__":
    unittest.main()
