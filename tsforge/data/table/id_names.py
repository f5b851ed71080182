"""What columns that tell series apart are called, in the languages of those who write such tables."""

from __future__ import annotations

import re

from tsforge.data.time.parts import ascii_letters

SURE = (  # names of nothing else than an id
    "unique_id", "id", "series", "series_id", "item", "store", "shop", "product", "sku", "sensor", "meter", "device",
    "station", "site", "account", "customer", "client", "branch", "article", "household", "building", "turbine",
    "machine", "plant", "vehicle", "ticker", "symbol", "asset", "warehouse", "outlet", "pump", "tank", "well", "farm",
    "hotel", "restaurant", "school", "clinic", "hospital", "patient", "employee", "supplier", "vendor", "instrument",
    "equipment", "appliance", "inverter", "boiler", "server", "host", "user", "market", "portfolio", "fund",
    "zahler", "zaehler", "filiale", "laden", "standort", "messstelle", "anlage", "kunde", "kunden", "artikel",
    "produkt", "maschine", "gerat", "geraet", "fahrzeug", "gebaude", "gebaeude", "werk", "lager",
    "magasin", "produit", "capteur", "compteur", "appareil", "usine", "machine", "entrepot", "client",
    "tienda", "producto", "cliente", "medidor", "contador", "sucursal", "almacen", "maquina", "planta", "articulo",
    "loja", "produto", "negozio", "prodotto", "sensore", "contatore", "impianto", "macchina", "winkel", "klant",
)  # fmt: skip
LIKELY = (  # names of an id, or of a category that changes in time
    "name", "key", "region", "country", "state", "city", "county", "province", "district", "location", "loc",
    "department", "dept", "line", "route", "node", "code", "entity", "group", "area", "brand", "family", "ort", "stadt",
    "land", "linie", "abteilung", "ville", "pays", "ligne", "ciudad", "pais", "linea", "zona", "citta", "paese",
)  # fmt: skip
_NUMBERED = ("id", "name", "code", "key", "no", "nr", "num", "number", "nummer", "numero")  # a store's number names it


def names_series(name: str) -> bool:
    """True for the usual names of an id."""
    return is_likely(name) or is_sure(name)


def is_likely(name: str) -> bool:
    """True for names of an id that may be those of a category too."""
    return ascii_letters(name) in LIKELY


def is_sure(name: str) -> bool:
    """True for names of nothing else than an id: store, sensor_id, CustomerID, Kunden-Nr, Zählernummer."""
    words = [ascii_letters(word) for word in re.split(r"[_ .-]+|(?<=[a-z])(?=[A-Z])", name) if word]
    if not words:
        return False
    of_series = len(words) == 2 and words[0] in SURE and words[1] in _NUMBERED
    joint = re.fullmatch(rf"(\w+?)({'|'.join(_NUMBERED)})", words[0]) if len(words) == 1 else None
    return "_".join(words) in SURE or words[-1] == "id" or of_series or (joint is not None and joint[1] in SURE)
