"""The table of commands: id, menu, text, keys, tooltip, icon. Menus, toolbar and shortcuts dialog are built from it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command of the window.

    Parameters
    ----------
    menu
        The menu that lists it, and its heading in the shortcuts dialog.
    keys
        Shortcuts in Qt's portable notation; the menu shows the first.
    why
        The tooltip.
    icon
        A name in `resources/icons`.
    group
        Separators divide a menu between groups.
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
        "Open c&ustom step…",
        ("Ctrl+Shift+O",),
        "Compare a Python file that defines `step`, and run it again whenever it is saved.",
        "",
        0,
    ),
    Command(
        "new_recurrence",
        "&File",
        "&New custom step…",
        ("Ctrl+N",),
        "Create an editable Python file that implements this cell, and compare it.",
        "",
        0,
    ),
    Command(
        "new_cell",
        "&File",
        "New custom &cell…",
        ("Ctrl+Shift+N",),
        "Create an editable Python file that declares a cell, and make it the network's cell.",
        "",
        0,
    ),
    Command(
        "edit_code",
        "&File",
        "Open in &editor",
        ("Ctrl+E",),
        "Open the custom step or cell at the line of its error, or at the first line that differs.",
        "",
        0,
    ),
    Command(
        "open_sweep",
        "&File",
        "Open s&weep…",
        ("Ctrl+Shift+W",),
        "Open a sweep (TOML) or its results (CSV, JSON).",
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
        "Save config, selection and view. Input files are referenced, not copied.",
        "",
        1,
    ),
    Command(
        "save_session_with_files",
        "&File",
        "Save session with &files…",
        ("Ctrl+Alt+Shift+S",),
        "Save config, selection and view with copies of the input files, to open on any machine.",
        "",
        1,
    ),
    Command(
        "export_picture",
        "&File",
        "Export pict&ure…",
        ("Ctrl+Shift+P",),
        "Export a view as PDF, SVG or PNG, with a chosen size, title and caption.",
        "",
        2,
    ),
    Command("quit", "&File", "&Quit", ("Ctrl+Q",), "Close the window. A run in progress is stopped.", "", 3),
    Command("undo", "&Edit", "&Undo", ("Ctrl+Z",), "Revert the last change of the config.", "undo", 0),
    Command("redo", "&Edit", "&Redo", ("Ctrl+Y", "Ctrl+Shift+Z"), "Apply the reverted change again.", "redo", 0),
    Command(
        "copy",
        "&Edit",
        "&Copy",
        ("Ctrl+C",),
        "Copy the view in use with full precision; elsewhere the selected values.",
        "copy",
        1,
    ),
    Command("run", "&Run", "&Run", ("F5", "Ctrl+R"), "Compute the network with every engine and compare.", "run", 0),
    Command(
        "run_full_audit",
        "&Run",
        "Run with full &audit",
        ("Shift+F5",),
        "Run, and audit every step of every engine, not only a subset of a large run.",
        "",
        0,
    ),
    Command(
        "stop",
        "&Run",
        "&Stop",
        ("Esc",),
        "Stop the run (the last result is kept), or the export in progress.",
        "stop",
        0,
    ),
    Command("timestep_next", "&Go", "Next &time step", ("Right",), "Select the next time step.", "next", 0),
    Command(
        "timestep_previous", "&Go", "Pre&vious time step", ("Left",), "Select the time step before.", "previous", 0
    ),
    Command("timestep_first", "&Go", "&First time step", ("Home",), "Select t = 0.", "first", 0),
    Command("timestep_last", "&Go", "&Last time step", ("End",), "Select t = T - 1.", "last", 0),
    Command("play", "&Go", "&Play", ("Space",), "Play or pause.", "play", 0),
    Command("play_backward", "&Go", "Play back&ward", ("Shift+Space",), "Play toward t = 0, or pause.", "", 0),
    Command(
        "phase_next", "&Go", "Next sta&ge", (".",), "Show the next of three stages: read, compute, pass on.", "", 0
    ),
    Command("phase_previous", "&Go", "Previous s&tage", (",",), "Show the stage before.", "", 0),
    Command("faster", "&Go", "&Faster", (">",), "Double the playback speed.", "", 0),
    Command("slower", "&Go", "S&lower", ("<",), "Halve the playback speed.", "", 0),
    Command("loop", "&Go", "Loop pla&yback", ("L",), "Repeat the selected range, or the whole sequence.", "", 0),
    Command("reveal", "&Go", "&Hide future", ("H",), "Hide values that are computed after the selected step.", "", 0),
    Command("unit_previous", "&Go", "Unit &above", ("Up",), "Select the unit above.", "", 1),
    Command("unit_next", "&Go", "Unit &below", ("Down",), "Select the unit below.", "", 1),
    Command("lane_above", "&Go", "Lane ab&ove", ("PgUp",), "Select the next layer or direction up.", "", 1),
    Command("lane_below", "&Go", "Lane belo&w", ("PgDown",), "Select the next layer or direction down.", "", 1),
    Command("sample_previous", "&Go", "Previous &sample", ("[",), "Select the sample before.", "", 1),
    Command("sample_next", "&Go", "Next sa&mple", ("]",), "Select the next sample.", "", 1),
    Command(
        "go_to", "&Go", "&Go to…", ("Ctrl+G",), "Select a value by layer, direction, time step, sample and unit.", "", 1
    ),
    Command("mismatch_next", "&Go", "&Next mismatch", ("N",), "Select the next value outside the tolerance.", "", 2),
    Command(
        "mismatch_previous",
        "&Go",
        "Pre&vious mismatch",
        ("P", "Shift+N"),
        "Select the value outside the tolerance before this one.",
        "",
        2,
    ),
    Command("explain", "&Go", "E&xplain value", ("E",), "Show how the selected value is computed.", "", 3),
    Command("trail_back", "&Go", "&Back", ("Alt+Left",), "Return to the value that used this one.", "", 3),
    Command("trail_forward", "&Go", "For&ward", ("Alt+Right",), "Show again the value that you came back from.", "", 3),
    Command(
        "lesson_next",
        "&Go",
        "Next lesson st&ep",
        ("Ctrl+PgDown",),
        "Continue the lesson; after its last step, open the next lesson.",
        "",
        4,
    ),
    Command(
        "lesson_back",
        "&Go",
        "Previous lesson &step",
        ("Ctrl+PgUp",),
        "Go back one step of the lesson.",
        "",
        4,
    ),
    Command(
        "lesson_again",
        "&Go",
        "&Reset lesson step",
        ("Ctrl+Home",),
        "Restore the config, selection and view of this step of the lesson.",
        "",
        4,
    ),
    Command(
        "lesson_close", "&Go", "&Close lesson", (), "Close the lesson. Reopened, it continues at this step.", "", 4
    ),
    Command(
        "quantity_next",
        "&View",
        "&Next quantity",
        ("Q",),
        "Color the lanes by the next quantity: values, error ratio, gates, …",
        "",
        1,
    ),
    Command(
        "quantity_previous",
        "&View",
        "Pre&vious quantity",
        ("Shift+Q",),
        "Color the lanes by the quantity before.",
        "",
        1,
    ),
    Command(
        "order_next",
        "&View",
        "Cycle unit &order",
        ("O",),
        "Sort units by index, first principal component, or activity.",
        "",
        1,
    ),
    Command(
        "color_range",
        "&View",
        "Color &range…",
        ("C",),
        "Choose which values the colors cover: the visible ones, a lane, all, or a limit.",
        "",
        1,
    ),
    Command("zoom_in", "&View", "Zoom &in", ("Ctrl++", "Ctrl+="), "Show fewer time steps, larger.", "zoom-in", 2),
    Command("zoom_out", "&View", "Zoom &out", ("Ctrl+-",), "Show more time steps.", "zoom-out", 2),
    Command("fit", "&View", "&Fit", ("Ctrl+0", "F"), "Show the whole sequence.", "fit", 2),
    Command(
        "enlarge_tabs",
        "&View",
        "Enlarge bottom pane&l",
        ("Shift+E",),
        "Switch between a taller and a normal bottom panel.",
        "",
        3,
    ),
    Command("text_larger", "&View", "&Larger text", ("Ctrl+Shift++",), "Enlarge all texts, up to 250%.", "", 5),
    Command("text_smaller", "&View", "S&maller text", ("Ctrl+Shift+-",), "Shrink all texts, down to 80%.", "", 5),
    Command(
        "text_reset", "&View", "&Reset text size", ("Ctrl+Shift+0",), "Give texts the size of the system font.", "", 5
    ),
    Command(
        "present",
        "&View",
        "&Present lanes",
        ("F11",),
        "Show the lanes, the banner and the text of the lesson on the full screen. Esc leaves.",
        "",
        3,
    ),
    Command("fold_settings", "&View", "Fold &settings panel", ("F9",), "Hide or show the settings panel.", "", 3),
    Command(
        "fold_side",
        "&View",
        "Fold side &views",
        ("Shift+F9",),
        "Hide or show the selected vector, and output and state.",
        "",
        3,
    ),
    Command(
        "fold_tabs",
        "&View",
        "Fold &bottom pane",
        ("Ctrl+F9",),
        "Hide or show the pages of the tabs. Their bar stays.",
        "",
        3,
    ),
    Command(
        "verdict_details",
        "&View",
        "Verdict &details",
        ("V",),
        "Unfold or fold the banner: where, since when, likely cause.",
        "",
        3,
    ),
    Command(
        "part_next",
        "&View",
        "Next &pane",
        ("F6",),
        "Move keyboard focus to the next pane.",
        "",
        4,
    ),
    Command(
        "part_previous",
        "&View",
        "Previous p&ane",
        ("Shift+F6",),
        "Move keyboard focus to the previous pane.",
        "",
        4,
    ),
    Command("guide", "&Help", "&Guide", ("F1",), "Open the guide at the page for the focused pane.", "info", 0),
    Command(
        "welcome", "&Help", "&Welcome", (), "Show lessons, recent files, and ways to open or create a network.", "", 0
    ),
    Command("keys", "&Help", "&Keys", ("?",), "List every keyboard shortcut.", "keys", 0),
    Command(
        "problem", "&Help", "&Report a problem…", (), "Show the text for a bug report: versions, engines, log.", "", 1
    ),
    Command("about", "&Help", "&About rnnviz", (), "Show the version.", "", 1),
)
