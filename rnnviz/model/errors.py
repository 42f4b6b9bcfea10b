"""The errors that a person can act on: one sentence each, naming the thing, its value and what is allowed."""


class InputError(ValueError):
    """What the user gave is wrong: a config, a file or a command. Its text is one plain sentence."""


class ConfigError(InputError):
    """One key of a config is wrong.

    `key` is the dotted key ("network.hidden_size"), so that a window can show the sentence at the field.
    """

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key
        self.sentence = sentence

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[str, str]]:
        return type(self), (self.key, self.sentence)


class EngineError(RuntimeError):
    """An engine is missing, failed or died. Its text is one plain sentence."""
