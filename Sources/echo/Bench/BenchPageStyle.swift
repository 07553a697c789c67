/// The style of a report's page.
enum BenchPageStyle {
    /// The style sheet, which has no `<` and no `&`: it is the same in HTML and XML.
    static let sheet = """

        :root { color-scheme: light dark; \(light) }
        @media (prefers-color-scheme: dark) { :root { \(dark) } }
        @media print { :root { color-scheme: light; \(light) --page: #fff; } }
        \(text)
        \(tables)
        \(drawings)
        \(print)

        """

    // The colours of the lines differ in brightness as well, and each has a sign of its own.
    private static let light = """
        --page: #f6f7f9; --card: #fff; --ink: #1a1d23; --muted: #59616d; --line: #e2e5ea; \
        --strong: #c3c8d0; --accent: #0b5cad; --better: #00664c; --better-back: #e2f4ee; \
        --worse: #a3320f; --worse-back: #fdeae3; --even-back: #eef0f3; \
        --warn-back: #fff7e0; --warn-line: #d9a400; \
        --c0: #0072b2; --c1: #d55e00; --c2: #00896b; --c3: #b84d8f; --c4: #a87900; \
        --c5: #3d9bd6; --c6: #3b3f46; --c7: #8c2f24;
        """

    private static let dark = """
        --page: #121418; --card: #1b1e24; --ink: #e9ebef; --muted: #a2aab6; --line: #2c3038; \
        --strong: #4a505b; --accent: #7cbcff; --better: #67d9b5; --better-back: #12352b; \
        --worse: #ff9f80; --worse-back: #43200f; --even-back: #292d35; \
        --warn-back: #332a0c; --warn-line: #d9a400; \
        --c0: #4aa8e8; --c1: #ff8a3d; --c2: #2fcfa3; --c3: #e88cc3; --c4: #f2cf4f; \
        --c5: #a9dbff; --c6: #d5d8de; --c7: #ef8377;
        """

    private static let text = """
        * { box-sizing: border-box; }
        html { -webkit-text-size-adjust: 100%; }
        body { margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 76rem; \
        background: var(--page); color: var(--ink); \
        font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
        h1 { margin: 0; font-size: 2.1rem; line-height: 1.2; letter-spacing: -0.02em; }
        h2 { margin: 2.75rem 0 0.9rem; font-size: 1.35rem; letter-spacing: -0.01em; }
        h3 { margin: 0 0 0.5rem; font-size: 1rem; }
        p { margin: 0.5rem 0; max-width: 48rem; }
        .facts { color: var(--muted); }
        ul { margin: 0; padding-left: 1.15rem; }
        li { margin: 0.3rem 0; }
        .keys { display: flex; flex-wrap: wrap; gap: 0.25rem 1.4rem; padding: 0; list-style: none; }
        .server { display: inline-flex; align-items: center; gap: 0.45rem; }
        .key { flex: none; width: 0.85rem; height: 0.85rem; }
        .cards, .grid { display: grid; gap: 1rem; \
        grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); }
        li b { display: inline-block; max-width: 100%; font-weight: 600; }
        .overall { margin-bottom: 1.1rem; }
        .card, figure { min-width: 0; margin: 0; padding: 1.1rem 1.25rem; background: var(--card); \
        border: 1px solid var(--line); border-radius: 10px; overflow-wrap: anywhere; }
        .warnings { margin-top: 1.75rem; padding: 0.9rem 1.25rem; background: var(--warn-back); \
        border-left: 4px solid var(--warn-line); border-radius: 6px; }
        .warnings h2 { margin: 0 0 0.3rem; font-size: 1.05rem; }
        dl { margin: 0; }
        dl div { display: grid; grid-template-columns: 11rem 1fr; gap: 0.75rem; padding: 0.3rem 0; \
        border-top: 1px solid var(--line); font-size: 0.93rem; }
        dl div:first-child { border-top: 0; }
        dt { color: var(--muted); }
        dd { margin: 0; min-width: 0; }
        .setting .card + .card, .setting .grid + .card { margin-top: 1rem; }
        .setting .grid .card + .card { margin-top: 0; }
        .setting h3:not(.card h3) { margin-top: 1.5rem; }
        code, pre { font-family: ui-monospace, "SF Mono", Consolas, "DejaVu Sans Mono", monospace; \
        font-size: 0.88rem; }
        pre { margin: 0; padding: 0.9rem 1.1rem; background: var(--card); white-space: pre-wrap; \
        border: 1px solid var(--line); border-radius: 8px; overflow-wrap: anywhere; }
        .reading p { color: var(--muted); }
        @media (max-width: 40rem) { body { padding: 1.5rem 0.9rem 3rem; } \
        li b { display: inline-block; max-width: 100%; font-weight: 600; }
        .overall { margin-bottom: 1.1rem; }
        .card { padding: 0.9rem; } figure { padding: 0.9rem 0.7rem; } dl div { grid-template-columns: 1fr; gap: 0; } \
        h1 { font-size: 1.7rem; } .facts { margin-bottom: 0.8rem; } }
        """

    private static let tables = """
        .scroll { overflow-x: auto; margin: 0 0 1rem; background: var(--card); \
        border: 1px solid var(--line); border-radius: 10px; }
        .scroll:focus-visible, pre:focus-visible, summary:focus-visible { \
        outline: 2px solid var(--accent); outline-offset: 2px; }
        table { width: 100%; border-collapse: collapse; font-size: 0.9rem; \
        font-variant-numeric: tabular-nums; }
        caption { padding: 0.8rem 1rem 0.3rem; text-align: left; font-weight: 600; }
        th, td { padding: 0.5rem 0.8rem; text-align: right; vertical-align: top; \
        white-space: nowrap; border-top: 1px solid var(--line); }
        thead th { border-top: 0; color: var(--muted); font-weight: 500; vertical-align: bottom; }
        th:first-child { text-align: left; font-weight: 500; }
        .scroll tbody th { position: sticky; left: 0; background: var(--card); }
        .scroll .server span { max-width: 13rem; overflow: hidden; text-overflow: ellipsis; }
        .scroll .server { display: flex; }
        td small { display: block; color: var(--muted); font-size: 0.87em; }
        td.none { color: var(--muted); }
        td.failure { text-align: left; white-space: normal; color: var(--worse); border-top: 0; }
        .figure { font-weight: 500; }
        .ratio { display: inline-block; margin-top: 0.15rem; padding: 0 0.4rem; border-radius: 4px; \
        font-size: 0.87em; background: var(--even-back); }
        .better { color: var(--better); } .worse { color: var(--worse); }
        .ratio.better { background: var(--better-back); } .ratio.worse { background: var(--worse-back); }
        .changes td:nth-child(2), .changes td:nth-child(3) { text-align: left; }
        .changes thead th:nth-child(2), .changes thead th:nth-child(3) { text-align: left; }
        details { margin-top: 0.5rem; font-size: 0.9rem; }
        summary { color: var(--accent); cursor: pointer; }
        details .scroll { margin: 0.6rem 0 0; border-radius: 6px; }
        """

    private static let drawings = """
        figure svg { display: block; width: 100%; height: auto; overflow: visible; }
        figcaption { margin-bottom: 0.6rem; font-weight: 600; }
        svg text { font-size: 12.5px; fill: var(--ink); font-variant-numeric: tabular-nums; }
        @media (max-width: 40rem) { figure svg text { font-size: 14px; } \
        .scroll .server span { max-width: 8.5rem; } }
        svg .tick, svg .title { fill: var(--muted); } svg .end { text-anchor: end; }
        svg .middle { text-anchor: middle; }
        svg .grid { stroke: var(--line); } svg .axis { stroke: var(--strong); }
        .series polyline { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; \
        stroke-linecap: round; }
        .dashed polyline { stroke-dasharray: 5 4; }
        .series .range { stroke: var(--c); stroke-width: 1.5; opacity: 0.55; }
        .series .leader { stroke: var(--c); stroke-width: 1; opacity: 0.5; }
        .series .whisker { stroke: var(--ink); stroke-width: 1.5; }
        .series .sign { fill: var(--c); stroke: var(--card); stroke-width: 1; }
        .series rect { fill: var(--c); opacity: 0.85; }
        \((0..<ChartFrame.styles).map { ".s\($0) { --c: var(--c\($0)); }" }.joined(separator: " "))
        """

    private static let print = """
        @media print {
        @page { margin: 14mm; }
        body { padding: 0; max-width: none; font-size: 10.5pt; }
        .cards, .grid { grid-template-columns: 1fr 1fr; }
        .card, figure, tr, .warnings { break-inside: avoid; }
        figure { padding: 0.7rem; } figure svg text { font-size: 14px; }
        h2, h3, caption, figcaption { break-after: avoid; }
        .scroll { overflow: visible; } .scroll tbody th { position: static; }
        table { font-size: 7.5pt; } th, td { padding: 0.3rem 0.4rem; }
        .charts details { display: none; }
        * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
        }
        """
}
