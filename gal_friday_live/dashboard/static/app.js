// Keeps a page current. Text goes in by textContent only; nothing that comes over the wire is ever HTML.
"use strict";
