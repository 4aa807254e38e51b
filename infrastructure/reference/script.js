// The filter of the navigation, and the mark at what is being read. Without it the page is whole.
const box = document.querySelector("nav input");
const entries = [...document.querySelectorAll("nav li")];

box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\s+/);
  for (const entry of entries) {
    const text = (entry.textContent + entry.firstChild.title).toLowerCase();
    entry.hidden = !words.every((word) => text.includes(word));
  }
  const schemas = document.querySelector("nav details");
  schemas.open = box.value !== "" && schemas.querySelector("li:not([hidden])") !== null;
  for (const heading of document.querySelectorAll("nav h2")) {
    heading.hidden = heading.nextElementSibling.querySelector("li:not([hidden])") === null;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== box) {
    event.preventDefault();
    box.focus();
  }
});

const links = new Map([...document.querySelectorAll("nav li a")].map((link) => [link.hash.slice(1), link]));
const seen = new IntersectionObserver((changes) => {
  for (const change of changes) {
    links.get(change.target.id)?.classList.toggle("here", change.isIntersecting);
  }
}, { rootMargin: "-10% 0px -70% 0px" });
document.querySelectorAll("article").forEach((article) => seen.observe(article));
