"""Command lines that help ends with, as people type them: by command, the ones of most use first."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "inspect": (
        "tsforge inspect data.csv",
        "tsforge inspect sales.csv --id store --target units",
        "tsforge inspect readings.csv --decimal , --dayfirst",
    ),
    "fit": (
        "tsforge fit data.csv --horizon 24",
        "tsforge fit sales.csv --horizon 14 --target units --id store --future promo",
        "tsforge fit data.csv --horizon 24 --model lstm --max-steps 2000 --set lr=0.003",
        "tsforge fit --config experiment.toml --max-time 5m",
    ),
    "predict": (
        "tsforge predict models/data-auto-h24 --output forecast.csv --plot forecast.png",
        "tsforge predict zero data.csv --horizon 24",
        "tsforge predict models/sales-gru-h14 --future-data future.csv --quantiles 0.1,0.9",
        "tsforge predict models/sales-gru-h14 --scenario 'price*0.9' --plot what-if.png",
    ),
    "future": (
        "tsforge future models/sales-gru-h14 --output future.csv",
        "tsforge future models/sales-gru-h14 sales.csv --horizon 28",
    ),
    "detect": (
        "tsforge detect models/data-auto-h24 new.csv --output anomalies.csv",
        "tsforge detect models/data-auto-h24 --everything --rate 0.01 --plot found.png",
        "tsforge detect models/data-auto-h24 new.csv --state state.json",
    ),
    "explain": (
        "tsforge explain models/data-transformer-h24 --plot attention.png",
        "tsforge explain models/sales-gru-h14 --covariates --plot importance.png",
        "tsforge explain models/sales-gru-h14 --series north --step 1",
    ),
    "export": (
        "tsforge export models/data-gru-h24 --output model.onnx",
        "tsforge export models:/demand@champion --output model.pt2 --quantiles 0.1,0.5,0.9",
    ),
    "update": (
        "tsforge update models/data-gru-h24 data.csv",
        "tsforge update models:/demand@champion data.csv --when drift",
    ),
    "report": (
        "tsforge report models/data-auto-h24",
        "tsforge report models/sales-gru-h14 sales.csv --output sales.html --series 20",
    ),
    "serve": (
        "tsforge serve models/data-gru-h24",
        "tsforge serve models:/demand@champion --port 8080 --workers 2",
    ),
    "backtest": (
        "tsforge backtest models/data-auto-h24",
        "tsforge backtest data.csv --model gru --horizon 24 --windows 10 --by step",
        "tsforge backtest sales.csv --model theta --horizon 14 --id store --by series",
    ),
    "sweep": (
        "tsforge sweep data.csv --horizon 24 --model gru --trials 30",
        "tsforge sweep data.csv --horizon 24 --models gru transformer --timeout 30m",
        "tsforge sweep data.csv --horizon 24 --space 'train.lr=log(1e-4,1e-2)' --workers 2",
    ),
    "pretrain": (
        "tsforge pretrain --hours 3 --out models/zero",
        "tsforge pretrain pipelines/zero.toml --steps 1000 --seed 2",
    ),
    "compare": (
        "tsforge compare data.csv --horizon 24",
        "tsforge compare data.csv --horizon 24 --models gru transformer nlinear --seeds 5",
        "tsforge compare data.csv --horizon 24 --quick",
    ),
    "runs": (
        "tsforge runs --last 10",
        "tsforge runs --kind sweep --tree",
        "tsforge runs compare gru-demand-h24-1a2b lstm-demand-h24-3c4d",
    ),
    "runs list": ("tsforge runs list --last 10", "tsforge runs list --data sales --kind fit"),
    "runs show": ("tsforge runs show gru-demand-h24-1a2b", "tsforge runs show 1a2b --json"),
    "runs compare": (
        "tsforge runs compare gru-demand-h24-1a2b lstm-demand-h24-3c4d",
        "tsforge runs compare 1a2b 3c4d 5e6f --json",
    ),
    "runs reproduce": (
        "tsforge runs reproduce gru-demand-h24-1a2b",
        "tsforge runs reproduce 1a2b data.csv --no-track",
    ),
    "runs delete": ("tsforge runs delete gru-demand-h24-1a2b", "tsforge runs delete 1a2b 3c4d --yes"),
    "runs sync": ("tsforge runs sync", "tsforge runs sync ../elsewhere"),
    "runs register": (
        "tsforge runs register gru-demand-h24-1a2b demand",
        "tsforge runs register 1a2b demand --alias champion",
    ),
    "mcp": ("tsforge mcp", "tsforge mcp /home/me/forecasts"),
    "ui": ("tsforge ui", "tsforge ui --port 5050 --no-browser"),
    "init": (
        "tsforge init data.csv --output experiment.toml",
        "tsforge init sales.csv --id store --target units --model lstm",
    ),
    "settings": ("tsforge settings", "tsforge settings lr", "tsforge settings 'model.*' --model transformer"),
    "models": ("tsforge models", "tsforge models --json"),
    "metrics": ("tsforge metrics", "tsforge metrics --json"),
    "pipelines": (
        "tsforge pipelines",
        "tsforge pipelines sweep-electricity > mine.toml",
    ),
    "clean": ("tsforge clean", "tsforge clean --all --yes"),
    "doctor": ("tsforge doctor", "tsforge doctor --json"),
    "completion": (
        "tsforge completion bash > ~/.local/share/bash-completion/completions/tsforge",
        "tsforge completion zsh > ~/.zfunc/_tsforge",
        "tsforge completion fish > ~/.config/fish/completions/tsforge.fish",
    ),
    "data": ("tsforge data list", "tsforge data get etth1", "tsforge data make ets --output series.csv --series 10"),
    "data make": (
        "tsforge data make mixture --output series.csv",
        "tsforge data make ets --output ets.parquet --series 1000 --season 7 --freq D",
    ),
}
