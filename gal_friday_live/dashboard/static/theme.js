// Runs before the first paint, so that a chosen theme does not flicker.
(() => {
  "use strict";
  const chosen = localStorage.getItem("gal-friday-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
