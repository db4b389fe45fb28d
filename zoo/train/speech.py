"""Makes the audio on which the voice-activity detectors are compared.

Synthetic speech carries no voice of a person, so there is nobody to ask and no licence to follow;
the phrases are our own. Speech alternates with silence and with noise of three colours, part of it
under the speech, because detectors disagree at edges and in noise rather than in clean speech.

    python3 speech.py OUT_DIR          needs espeak-ng and numpy; writes speech.npy (int16, 16 kHz)
"""

import io
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np

SEED = 20181
RATE = 16000
FRAME = 512

# (what, seconds) is a pause: its noise and length. (voice, words a minute, pitch, noise under it,
# text) is speech.
SCRIPT = [
    ("silence", 1.0),
    ("en-gb", 150, 50, None, "Which of these models can answer within twenty milliseconds?"),
    ("hum", 1.2),
    ("en-us", 140, 35, "hiss", "The small one. It is right about as often, and it costs less."),
    ("hiss", 1.5),
    ("de", 150, 60, None, "Guten Morgen, wie spät ist es?"),
    ("silence", 0.8),
    ("en-gb+f3", 130, 70, "rumble", "Please load another copy, the queue is growing."),
    ("rumble", 1.4),
    ("fr", 150, 45, "hum", "Merci beaucoup, à demain."),
    ("silence", 0.6),
    ("en-us+f2", 160, 80, "hiss", "No, thank you."),
    ("hiss", 0.8),
]


def speak(voice, speed, pitch, text):
    """float64 in -1..1 at RATE."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    spoken = subprocess.run(command, check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(spoken)) as sound:
        rate = sound.getframerate()
        # The header of a piped file states no true length, so read whatever there is.
        samples = np.frombuffer(sound.readframes(1 << 24), np.int16) / 32768
    return resample(samples, rate)


def resample(samples, rate):
    """By cutting the spectrum: exact for the band that both rates hold."""
    samples = np.pad(samples, (0, -len(samples) % rate))
    length = len(samples) * RATE // rate
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    return np.fft.irfft(spectrum, length) * length / len(samples)


def noise(kind, length, rng):
    if kind is None or kind == "silence":
        return rng.normal(0, 0.0003, length)
    if kind == "hum":
        return 0.02 * np.sin(2 * np.pi * 100 * np.arange(length) / RATE)
    white = rng.normal(0, 1, length)
    if kind == "hiss":
        return 0.01 * white
    spectrum = np.fft.rfft(white)
    spectrum /= np.maximum(1, np.arange(len(spectrum)) * RATE / length / 50)
    low = np.fft.irfft(spectrum, length)
    return 0.03 * low / low.std()


def main(out):
    rng = np.random.default_rng(SEED)
    parts = []
    for line in SCRIPT:
        if len(line) == 2:
            parts.append(noise(line[0], int(line[1] * RATE), rng))
            continue
        voice, speed, pitch, under, text = line
        spoken = np.trim_zeros(np.round(speak(voice, speed, pitch, text), 4))
        parts.append(0.7 * spoken + noise(under, len(spoken), rng))
    samples = np.concatenate(parts)
    samples = samples[: len(samples) // FRAME * FRAME]
    speech = np.clip(np.rint(samples * 32767), -32768, 32767).astype(np.int16)
    np.save(Path(out) / "speech.npy", speech)
    print(f"{len(speech) / RATE:.2f} s, {len(speech) // FRAME} frames")


if __name__ == "__main__":
    main(sys.argv[1])
