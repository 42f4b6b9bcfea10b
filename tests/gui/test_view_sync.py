"""Views follow the session, and what is out of sight keeps no run alive."""

import weakref


def test_no_view_keeps_an_earlier_result_and_its_files(qtbot, window, run_config, collector):
    tabs = window.main_layout.tabs
    for place in range(tabs.count()):
        tabs.setCurrentIndex(place)
        qtbot.waitUntil(lambda: not window.runner.busy)
    earlier, folder = weakref.ref(window.session.result), window.session.result.folder
    assert folder.is_dir()
    # Without the help of a search for garbage.
    collector._timer.stop()
    try:
        run_config({"cell": "lstm", "input_size": 3, "hidden_size": 4})
        qtbot.waitUntil(lambda: earlier() is None)
    finally:
        collector._timer.start()
    qtbot.waitUntil(lambda: not folder.exists())


def test_a_view_catches_up_when_its_tab_is_chosen(qtbot, window, run_config):
    tabs = window.main_layout.tabs
    titles = [tabs.tabText(place).partition("  ")[0] for place in range(tabs.count())]
    tabs.setCurrentIndex(titles.index("Units over time"))
    units = tabs.currentWidget()
    tabs.setCurrentIndex(titles.index("Checks"))
    run_config({"cell": "lstm", "input_size": 3, "hidden_size": 4})
    # Emptied while out of sight, and the newest result's when it is seen.
    assert units._result is None
    tabs.setCurrentIndex(titles.index("Units over time"))
    assert units._result is window.session.result
