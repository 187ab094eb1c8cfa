// The report's page: cards of faces, and a mesh that one can turn. Written for tfface; no library, no network.
"use strict";
const $ = (id) => document.getElementById(id);
const shared = JSON.parse($("shared").textContent);
const list = JSON.parse($("list").textContent);
const PAGE = 48;

function bytes(base64) {
  const text = atob(base64), out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}
const face = (index) => JSON.parse($("face" + index).textContent);
const picture = (base64) => "data:image/jpeg;base64," + base64;

// ---- the mesh ----
const canvas = document.createElement("canvas");
canvas.width = canvas.height = 512;
const gl = canvas.getContext("webgl", { antialias: true });
const pieces = shared.pieces.map((piece) => ({
  ...piece,
  triangles: new Uint16Array(bytes(piece.triangles).buffer),
  uv: piece.uv && Float32Array.from(new Uint16Array(bytes(piece.uv).buffer), (value) => value / 65535),
}));
const mean = Float32Array.from(new Int16Array(bytes(shared.mean).buffer), (value) => value / 100);
const moves = (shared.moves ?? []).map((move) => ({
  ...move, rows: new Uint16Array(bytes(move.rows).buffer), offsets: new Int8Array(bytes(move.offsets).buffer),
}));
const lamp = { share: 0.15, azimuth: -20 }; // how much the light counts on textures, which hold the photograph's, and from where
let program, turn = [0, 0], zoom = 1, shown = null;

const VERTEX = `attribute vec3 p; attribute vec3 n; attribute vec2 t; uniform vec4 turn; uniform float scale;
varying vec2 uv; varying vec3 normal;
vec3 turned(vec3 v) {
  v = vec3(v.x * turn.x + v.z * turn.y, v.y, v.z * turn.x - v.x * turn.y);
  return vec3(v.x, v.y * turn.z - v.z * turn.w, v.y * turn.w + v.z * turn.z);
}
void main() {
  vec3 v = turned(p) * scale;
  uv = t; normal = turned(n);
  gl_Position = vec4(v.x, v.y, -v.z * 0.5, 1.0 - v.z * 0.12);
}`;
const FRAGMENT = `precision mediump float; varying vec2 uv; varying vec3 normal;
uniform sampler2D texture; uniform vec4 color; uniform float lit; uniform vec3 lamp;
void main() {
  vec3 n = normalize(normal); n = gl_FrontFacing ? n : -n;
  float light = mix(1.0, 0.3 + 0.7 * max(dot(n, normalize(lamp)), 0.0), lit);
  vec3 own = mix(texture2D(texture, uv).rgb, color.rgb, color.a);
  gl_FragColor = vec4(own * light, 1.0);
}`;

function build() {
  program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.enable(gl.DEPTH_TEST);
  for (const piece of pieces) {
    piece.index = buffer(gl.ELEMENT_ARRAY_BUFFER, piece.triangles);
    if (piece.uv) piece.places = buffer(gl.ARRAY_BUFFER, piece.uv);
    if (piece.picture) texture(piece.picture, (made) => { piece.texture = made; draw(); });
  }
}

function buffer(kind, data) {
  const made = gl.createBuffer();
  gl.bindBuffer(kind, made);
  gl.bufferData(kind, data, gl.STATIC_DRAW);
  return made;
}

function texture(base64, then) {
  const image = new Image();
  image.onload = () => {
    const made = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, made);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, image);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    then(made);
  };
  image.src = picture(base64);
}

function normals(points, triangles, out, first) {
  for (let i = 0; i < triangles.length; i += 3) {
    const [a, b, c] = [0, 1, 2].map((k) => 3 * (triangles[i + k] + first));
    const u = [0, 1, 2].map((k) => points[b + k] - points[a + k]), v = [0, 1, 2].map((k) => points[c + k] - points[a + k]);
    const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    for (const corner of [a, b, c]) for (let k = 0; k < 3; k++) out[corner + k] += n[k];
  }
}

function show(index, place) {
  if (!gl) { place.textContent = "This browser shows no WebGL."; return; }
  if (!program) build();
  const data = face(index), offsets = new Int8Array(bytes(data.mesh).buffer);
  shown = { own: Float32Array.from(mean, (value, i) => value + offsets[i] * data.step), weights: data.weights, skin: null };
  pose(shown, data.weights);
  const mine = shown;
  if (data.texture) texture(data.texture, (made) => { mine.skin = made; draw(); });
  turn = [0.5, 0.1]; zoom = 1;
  place.replaceChildren(canvas, ...(moves.length ? [sliders(shown)] : []));
  draw();
}

function pose(mine, weights) {
  const points = Float32Array.from(mine.own), normal = new Float32Array(points.length);
  moves.forEach((move, k) => {
    const by = (weights[k] - mine.weights[k]) * move.step;
    if (by) move.rows.forEach((row, i) => { for (let c = 0; c < 3; c++) points[3 * row + c] += by * move.offsets[3 * i + c]; });
  });
  for (const piece of pieces) normals(points, piece.triangles, normal, piece.first);
  for (const old of [mine.points, mine.normals]) gl.deleteBuffer(old ?? null);
  mine.points = buffer(gl.ARRAY_BUFFER, points);
  mine.normals = buffer(gl.ARRAY_BUFFER, normal);
}

function slider(panel, text, [least, most, step], value, then) {
  const label = element("label", text, panel), input = element("input", undefined, label);
  Object.assign(input, { type: "range", min: least, max: most, step, value });
  input.oninput = () => { then(Number(input.value)); draw(); };
  return input;
}

function sliders(mine) {
  const panel = element("section"), now = [...mine.weights], inputs = [];
  panel.onclick = (event) => event.stopPropagation();
  const resting = mine.weights.map((weight, k) => (moves[k].least < 0 ? weight : 0)); // a person's shape stays
  for (const [text, wanted] of [["as photographed", mine.weights], ["at rest", resting]]) {
    element("button", text, panel).onclick = () => {
      inputs.forEach((input, k) => { input.value = now[k] = wanted[k]; });
      pose(mine, now); draw();
    };
  }
  slider(panel, "light", [0, 1, 0.01], lamp.share, (value) => { lamp.share = value; });
  slider(panel, "light's direction", [-180, 180, 1], lamp.azimuth, (value) => { lamp.azimuth = value; });
  moves.forEach((move, k) => {
    inputs.push(slider(panel, move.name, [move.least, move.most, 0.01], now[k], (value) => { now[k] = value; pose(mine, now); }));
  });
  return panel;
}

function attribute(name, made, size, offset) {
  const place = gl.getAttribLocation(program, name);
  if (!made) { gl.disableVertexAttribArray(place); gl.vertexAttrib3f(place, 0, 0, 0); return; }
  gl.bindBuffer(gl.ARRAY_BUFFER, made);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, size, gl.FLOAT, false, 0, offset);
}

function draw() {
  if (!shown) return;
  const where = (name) => gl.getUniformLocation(program, name);
  gl.viewport(0, 0, canvas.width, canvas.height);
  gl.clearColor(0.13, 0.14, 0.16, 1);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  gl.uniform4f(where("turn"), Math.cos(turn[0]), Math.sin(turn[0]), Math.cos(turn[1]), Math.sin(turn[1]));
  gl.uniform1f(where("scale"), zoom / 165);
  const azimuth = lamp.azimuth * Math.PI / 180;
  gl.uniform3f(where("lamp"), 0.89 * Math.sin(azimuth), 0.45, 0.89 * Math.cos(azimuth));
  for (const piece of pieces) {
    const made = piece.name === "skin" ? shown.skin : piece.texture;
    attribute("p", shown.points, 3, 12 * piece.first);
    attribute("n", shown.normals, 3, 12 * piece.first);
    attribute("t", made ? piece.places : null, 2, 0);
    if (made) gl.bindTexture(gl.TEXTURE_2D, made);
    gl.uniform4f(where("color"), ...piece.color, made ? 0 : 1);
    gl.uniform1f(where("lit"), made ? lamp.share : 0.9);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, piece.index);
    gl.drawElements(gl.TRIANGLES, piece.triangles.length, gl.UNSIGNED_SHORT, 0);
  }
}

canvas.onpointerdown = (event) => canvas.setPointerCapture(event.pointerId);
canvas.onpointermove = (event) => {
  if (!event.buttons) return;
  turn = [turn[0] + event.movementX * 0.01, Math.max(-1.5, Math.min(1.5, turn[1] + event.movementY * 0.01))];
  draw();
};
canvas.onwheel = (event) => { event.preventDefault(); zoom = Math.max(0.5, Math.min(6, zoom * Math.exp(-event.deltaY * 0.001))); draw(); };

// ---- the cards ----
let order = list.map((_, index) => index), page = 0;

function element(name, text, parent) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function card(index) {
  const item = list[index], data = face(index), made = element("article");
  element("h2", item.name, made);
  const row = element("div", undefined, made);
  for (const [base64, label] of [[data.photo, "photograph"], [data.overlay, "overlay"]]) {
    if (!base64) continue;
    const image = element("img", undefined, row);
    image.alt = label;
    image.src = picture(base64);
  }
  const place = element("div", "click to turn the mesh", row);
  place.className = "mesh";
  place.onclick = () => { if (!place.contains(canvas)) show(index, place); };
  const angles = ["yaw", "pitch", "roll"].map((name) => name + " " + item[name].toFixed(0)).join(", ");
  element("p", angles + " degrees" + (item.score === null ? "" : "; score " + item.score.toFixed(2)) + (item.doubtful ? " (doubtful)" : ""), made);
  element("p", "mesh beside the network's points " + item.error.toFixed(1) + " px; " + item.model + "; " + item.ms.toFixed(0) + " ms", made);
  element("p", item.expression.map(([name, weight]) => name + " " + weight.toFixed(2)).join(", "), made);
  return made;
}

function refresh() {
  const wanted = $("search").value.toLowerCase(), key = $("sort").value;
  order = list.map((_, index) => index).filter((index) => list[index].name.toLowerCase().includes(wanted));
  if (key !== "name") order.sort((a, b) => Math.abs(list[b][key] ?? 0) - Math.abs(list[a][key] ?? 0));
  page = Math.max(0, Math.min(page, Math.ceil(order.length / PAGE) - 1));
  $("cards").replaceChildren(...order.slice(page * PAGE, (page + 1) * PAGE).map(card));
  $("where").textContent = order.length ? `${page * PAGE + 1} to ${Math.min((page + 1) * PAGE, order.length)} of ${order.length}` : "none";
}
$("search").oninput = $("sort").onchange = () => { page = 0; refresh(); };
$("before").onclick = () => { page -= 1; refresh(); };
$("after").onclick = () => { page += 1; refresh(); };
refresh();
const asked = moves.length && list.length === 1 ? list[0].name : decodeURIComponent(location.hash.slice(1));
const named = order.findIndex((index) => list[index].name === asked);
if (named >= 0) { // report.html#NAME opens NAME's mesh
  page = Math.floor(named / PAGE);
  refresh();
  const opened = document.querySelectorAll(".mesh")[named % PAGE];
  opened.click();
  opened.scrollIntoView({ block: "nearest" });
}
