// How a stroke looks on a layer of paint: { tool, size, points: [[x, y], …], colour, texture, shape }, in pixels of the
// layer. Drawn again it gives the same pixels, so that a list of strokes is the whole painting. Knows no pointer.

export function createPaint() {
  const textures = new Map(); // name → image
  let shapes = [];
  let loading = null;

  /** Draw a stroke from its point `first` on. */
  function draw(context, stroke, first = 0) {
    const { canvas } = context;
    if (stroke.tool === "clear") context.clearRect(0, 0, canvas.width, canvas.height);
    else if (stroke.tool === "patch") stamp(context, stroke);
    else
      for (let i = first; i < stroke.points.length; i++)
        dab(context, stroke, stroke.points[Math.max(0, i - 1)], stroke.points[i]);
  }

  function dab(context, { tool, size, colour, texture }, from, to) {
    context.save();
    context.globalCompositeOperation = tool === "eraser" ? "destination-out" : "source-over";
    context.strokeStyle = tool === "texture" ? patternOf(context, texture) : colour;
    context.lineWidth = size;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(to[0] + 0.01, to[1]);
    context.stroke();
    context.restore();
  }

  /** A Perlin shape, filled with the texture, its middle at the first point; five times as wide as the brush. */
  function stamp(context, { size, texture, shape, points: [[x, y]] }) {
    const side = Math.max(8, Math.round(5 * size));
    const stamped = Object.assign(document.createElement("canvas"), { width: side, height: side }).getContext("2d");
    stamped.drawImage(shapes[shape % shapes.length], 0, 0, side, side);
    stamped.globalCompositeOperation = "source-in";
    stamped.fillStyle = patternOf(stamped, texture);
    stamped.fillRect(0, 0, side, side);
    context.drawImage(stamped.canvas, x - side / 2, y - side / 2);
  }

  function patternOf(context, name) {
    return context.createPattern(textures.get(name), "repeat");
  }

  async function load(urls, shapeUrls) {
    for (const [name, url] of Object.entries(urls)) textures.set(name, await decoded(url));
    shapes = await Promise.all(shapeUrls.map(decoded));
  }

  return {
    draw,
    /** Resolves when textures and shapes are there. */
    ready: (brushes) => (loading ??= load(brushes.textures, brushes.shapes)),
  };
}

function decoded(url) {
  const image = new Image();
  image.src = url;
  return image.decode().then(() => image);
}
