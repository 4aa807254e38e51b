"""The program that runs inside a LoRAStack training job.

It stands between SageMaker's folders (``/opt/ml``) and sd-scripts: it reads ``job.json``, starts
the trainer as a child process, follows it, and leaves LoRAs, metrics and a verdict behind. It
needs the standard library only; numpy is for the rehearsal engine.
"""

VERSION = "0.1.0"
