// Runs before the first paint: a chosen theme must not flash up as the other one.
"use strict";
try {
  const chosen = localStorage.getItem("goldseam-theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is closed to us; the system's theme stays.
}
