"""Every command of the window: its key, its words, its place in the menus. The help sheet is made from this table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One thing that the user can ask for.

    `menu` is the menu that shows it, and the heading in the help sheet; `keys` in Qt's portable notation, the
    first of which the menu shows; `why` is the tooltip; `icon` a name in resources/icons; `group` parts a menu
    by lines.
    """

    id: str
    menu: str
    text: str
    keys: tuple[str, ...] = ()
    why: str = ""
    icon: str = ""
    group: int = 0


MENUS = ("&File", "&Edit", "&Run", "&Go", "&View", "&Help")

COMMANDS = (
    Command("open", "&File", "&Open…", ("Ctrl+O",), "Open a config, a session or a model.", "open", 0),
    Command(
        "open_recurrence",
        "&File",
        "Open rec&urrence…",
        ("Ctrl+Shift+O",),
        "Compare a recurrence of your own (Python), and run it again whenever you save it.",
        "",
        0,
    ),
    Command(
        "new_recurrence",
        "&File",
        "&New recurrence…",
        ("Ctrl+N",),
        "Write a right recurrence for this cell into a file of your own, to be changed, and compare it.",
        "",
        0,
    ),
    Command(
        "open_sweep",
        "&File",
        "Open s&weep…",
        ("Ctrl+Shift+W",),
        "Open a grid of configs to be run (TOML), or the rows that it came to (CSV, JSON).",
        "",
        0,
    ),
    Command("save", "&File", "&Save", ("Ctrl+S",), "Write the config to its file.", "save", 1),
    Command("save_as", "&File", "Save &as…", ("Ctrl+Shift+S",), "Write the config to another file.", "", 1),
    Command(
        "save_session",
        "&File",
        "Save sess&ion…",
        ("Ctrl+Alt+S",),
        "Keep the config, the cursor and the view in one file, which says where the files are that it reads.",
        "",
        1,
    ),
    Command(
        "save_session_with_files",
        "&File",
        "Save session with &files…",
        ("Ctrl+Alt+Shift+S",),
        "Keep copies of the files that the config reads as well, so that it opens on any machine.",
        "",
        1,
    ),
    Command("quit", "&File", "&Quit", ("Ctrl+Q",), "Close the window; a run that goes on is stopped.", "", 3),
    Command("undo", "&Edit", "&Undo", ("Ctrl+Z",), "Take the last change of the config back.", "undo", 0),
    Command("redo", "&Edit", "&Redo", ("Ctrl+Y", "Ctrl+Shift+Z"), "Make the change that was undone again.", "redo", 0),
    Command(
        "copy",
        "&Edit",
        "&Copy",
        ("Ctrl+C",),
        "Copy what the view in use shows, in full precision; elsewhere the values at the cursor.",
        "copy",
        1,
    ),
    Command("run", "&Run", "&Run", ("F5", "Ctrl+R"), "Compute the network by every engine and compare.", "run", 0),
    Command(
        "run_full_audit",
        "&Run",
        "Run and &audit everything",
        ("Shift+F5",),
        "Check every step of every engine, not only a sample of a large run.",
        "",
        0,
    ),
    Command("stop", "&Run", "&Stop", ("Esc",), "Stop the run, and the last result stays; else an export.", "stop", 0),
    Command("timestep_next", "&Go", "Next &timestep", ("Right",), "Move the cursor one step later.", "next", 0),
    Command("timestep_previous", "&Go", "Pre&vious timestep", ("Left",), "Move one step earlier.", "previous", 0),
    Command("timestep_first", "&Go", "&First timestep", ("Home",), "Move the cursor to t = 0.", "first", 0),
    Command("timestep_last", "&Go", "&Last timestep", ("End",), "Move the cursor to t = T - 1.", "last", 0),
    Command("play", "&Go", "&Play", ("Space",), "Let the cursor run through time, or halt it.", "play", 0),
    Command("play_backward", "&Go", "Play back&wards", ("Shift+Space",), "Let the cursor run back, or halt it.", "", 0),
    Command("phase_next", "&Go", "Next sta&ge", (".",), "Show what a step reads, computes, carries on.", "", 0),
    Command("phase_previous", "&Go", "Previous s&tage", (",",), "Go back to what came before.", "", 0),
    Command("faster", "&Go", "Play &quicker", (">",), "Play twice as quick.", "", 0),
    Command("slower", "&Go", "Play s&lower", ("<",), "Play half as quick.", "", 0),
    Command("unit_previous", "&Go", "Unit &above", ("Up",), "Move the cursor to the unit above.", "", 1),
    Command("unit_next", "&Go", "Unit &below", ("Down",), "Move the cursor to the unit below.", "", 1),
    Command("lane_above", "&Go", "Lane ab&ove", ("PgUp",), "Move to the next layer or direction up.", "", 1),
    Command("lane_below", "&Go", "Lane belo&w", ("PgDown",), "Move to the next layer or direction down.", "", 1),
    Command("sample_previous", "&Go", "Previous &sample", ("[",), "Look at the sample before.", "", 1),
    Command("sample_next", "&Go", "Next sa&mple", ("]",), "Look at the sample after.", "", 1),
    Command("mismatch_next", "&Go", "&Next mismatch", ("N",), "Go to the next value that differs.", "", 2),
    Command(
        "mismatch_previous",
        "&Go",
        "Pre&vious mismatch",
        ("P", "Shift+N"),
        "Go to the value before that differs.",
        "",
        2,
    ),
    Command("explain", "&Go", "E&xplain the value", ("E",), "Show how the value at the cursor came about.", "", 3),
    Command(
        "trail_back", "&Go", "&Back on the trail", ("Alt+Left",), "Return to the number that used this one.", "", 3
    ),
    Command("trail_forward", "&Go", "For&ward", ("Alt+Right",), "Go again to where you came back from.", "", 3),
    Command(
        "lesson_next",
        "&Go",
        "Next step of t&he lesson",
        ("Ctrl+PgDown",),
        "Go on in the lesson; after its last step, to the next lesson.",
        "",
        4,
    ),
    Command(
        "lesson_back",
        "&Go",
        "Step bac&k in the lesson",
        ("Ctrl+PgUp",),
        "Go back one step of the lesson.",
        "",
        4,
    ),
    Command(
        "lesson_again",
        "&Go",
        "Set the step &up again",
        ("Ctrl+Home",),
        "Go back to the configuration, the cursor and the view that the lesson's step is about.",
        "",
        4,
    ),
    Command("lesson_close", "&Go", "&Close the lesson", (), "Close the lesson; later it goes on from here.", "", 4),
    Command(
        "quantity_next",
        "&View",
        "&Next quantity",
        ("Q",),
        "Show the lanes by what stands next in the list of colors: values, gates, …",
        "",
        1,
    ),
    Command(
        "quantity_previous", "&View", "Pre&vious quantity", ("Shift+Q",), "Show the lanes by what stands before.", "", 1
    ),
    Command(
        "order_next",
        "&View",
        "&Order of units",
        ("O",),
        "Let the units of each lane stand by index, by their first principal component, or by activity, in turn.",
        "",
        1,
    ),
    Command("zoom_in", "&View", "Zoom &in", ("Ctrl++", "Ctrl+="), "Show fewer timesteps, larger.", "zoom-in", 2),
    Command("zoom_out", "&View", "Zoom &out", ("Ctrl+-",), "Show more timesteps.", "zoom-out", 2),
    Command("fit", "&View", "&Fit", ("Ctrl+0", "F"), "Show the whole sequence.", "fit", 2),
    Command(
        "enlarge_tabs",
        "&View",
        "&Larger tabs",
        ("Shift+E",),
        "Give the arithmetic and the other views behind tabs what height there is to spare, or take it back.",
        "",
        3,
    ),
    Command(
        "part_next",
        "&View",
        "Next &part of the window",
        ("F6",),
        "Give the keyboard to the part that is next to read: lesson, panel, lanes, tables, tabs.",
        "",
        4,
    ),
    Command(
        "part_previous",
        "&View",
        "P&art of the window before",
        ("Shift+F6",),
        "Give the keyboard to the part before.",
        "",
        4,
    ),
    Command("guide", "&Help", "&Guide", ("F1",), "Open the guide, at the page about what you are at.", "info", 0),
    Command("welcome", "&Help", "&Welcome", (), "Show the ways to begin: lessons, files, a small network.", "", 0),
    Command("keys", "&Help", "&Keys", ("?",), "List every key.", "keys", 0),
    Command(
        "problem", "&Help", "&Report a problem…", (), "Show what a report needs: versions, engines and the log.", "", 1
    ),
    Command("about", "&Help", "&About rnnviz", (), "Which version this is.", "", 1),
)
