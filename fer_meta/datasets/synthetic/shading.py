"""The kernels: rays through a head's mesh, and the colour of what they hit. Warp compiles them for the CPU
and the GPU.

Colours are linear RGB. Brows, lids, wrinkles and beard are painted in canonical coordinates (see `head.py`),
so that they follow the skin.
"""

import warp as wp

wp.config.log_level = wp.LOG_ERROR  # it would greet the user, and miss a CUDA driver that nobody promised

from fer_meta.datasets.synthetic.head import Part  # noqa: E402

SKIN, EYE, CAVITY, MOUTH = int(Part.SKIN), int(Part.EYE), int(Part.CAVITY), int(Part.MOUTH)
TONGUE, TEETH, LASH, SHELL = int(Part.TONGUE), int(Part.TEETH), int(Part.LASH), int(Part.SHELL)
STRAND, HAND = int(Part.STRAND), int(Part.HAND)
wp.set_module_options({"enable_backward": False, "fast_math": True})

EYE_X = 0.0313  # canonical distance of either eye's centre from the middle, metres


@wp.struct
class Look:
    """One image: camera, lights, the person's colours and what the face shows. Metres and linear RGB."""

    camera: wp.vec3
    right: wp.vec3
    up: wp.vec3
    forward: wp.vec3
    half: float
    key: wp.vec3
    key_rgb: wp.vec3
    rim: wp.vec3
    rim_rgb: wp.vec3
    sky_rgb: wp.vec3
    fill_rgb: wp.vec3
    skin: wp.vec3
    lip: wp.vec3
    hair: wp.vec3
    shell: wp.vec3
    brow: wp.vec3
    iris: wp.vec3
    teeth: wp.vec3
    gloss: float
    brow_height: float
    brow_thickness: float
    brow_arch: float
    brow_density: float
    age: float
    forehead_inner: float
    forehead_outer: float
    glabella: float
    nose: float
    furrow: float
    crow: float
    pouch: float
    chin: float
    corner: float
    dimple_left: float
    dimple_right: float
    glasses: int
    glasses_rgb: wp.vec3
    glasses_x: float
    glasses_wide: float
    glasses_high: float
    glasses_rim: float
    glasses_y: float
    seed: int


@wp.func
def ramp(a: float, b: float, x: float):
    t = wp.clamp((x - a) / (b - a), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@wp.func
def hump(square: float):
    """Nearly exp(-square), but cheap, and 0 from 4.4 on."""
    t = wp.max(0.0, 1.0 - 0.227 * square)
    t = t * t
    return t * t


@wp.func
def bell(x: float, middle: float, width: float):
    t = (x - middle) / width
    return hump(t * t)


@wp.func
def near(x: float, z: float, ax: float, az: float, bx: float, bz: float, width: float):
    """1 on the segment from a to b, fading over `width`."""
    dx = bx - ax
    dz = bz - az
    t = wp.clamp(((x - ax) * dx + (z - az) * dz) / (dx * dx + dz * dz), 0.0, 1.0)
    ex = x - ax - t * dx
    ez = z - az - t * dz
    return hump((ex * ex + ez * ez) / (width * width)) * (1.0 - 0.6 * wp.abs(2.0 * t - 1.0))


@wp.func
def creases(look: Look, side: float, x: float, z: float):
    """How deep the skin's folds are at a canonical point (x from the middle line, at least 0)."""
    depth = float(0.0)
    if z > 0.03:
        lines = 0.5 + 0.5 * wp.sin(z * 700.0)
        across = look.forehead_inner * bell(x, 0.0, 0.026) + look.forehead_outer * bell(x, 0.040, 0.016)
        across += 0.35 * look.age * bell(x, 0.0, 0.04)
        depth += lines * bell(z, 0.052, 0.014) * across
    if z > 0.0 and x < 0.03:
        depth += (look.glabella + 0.25 * look.age) * near(x, z, 0.0065, 0.010, 0.0075, 0.034, 0.0022)
        depth += look.glabella * 0.7 * near(x, z, 0.009, 0.014, 0.016, 0.024, 0.004)
    if x > 0.042 and wp.abs(z) < 0.03:
        feet = near(x, z, 0.050, 0.002, 0.064, 0.010, 0.0017) + near(
            x, z, 0.051, -0.002, 0.066, -0.003, 0.0017
        )
        feet += near(x, z, 0.050, -0.006, 0.062, -0.015, 0.0017)
        depth += (look.crow + 0.4 * look.age) * feet
    if z < 0.025 and z > -0.045:
        depth += (
            look.nose * 1.1 * (0.5 + 0.5 * wp.sin(z * 1100.0)) * bell(z, -0.004, 0.011) * bell(x, 0.0, 0.009)
        )
        depth += look.nose * 0.9 * near(x, z, 0.008, -0.012, 0.0175, -0.034, 0.0036)
        below = near(x, z, 0.018, -0.014, 0.030, -0.0185, 0.0024) + near(
            x, z, 0.030, -0.0185, 0.044, -0.013, 0.0024
        )
        depth += (look.pouch + 0.5 * look.age) * below
    if z < -0.03:
        depth += (look.furrow + 0.45 * look.age) * 1.1 * near(x, z, 0.0205, -0.040, 0.036, -0.072, 0.0036)
        depth += (look.corner + 0.25 * look.age) * near(x, z, 0.029, -0.074, 0.034, -0.094, 0.0028)
        dimple = look.dimple_left
        if side < 0.0:
            dimple = look.dimple_right
        depth += dimple * 1.6 * bell(x, 0.0335, 0.0032) * bell(z, -0.069, 0.0055)
    if z < -0.08:
        depth += look.chin * 1.2 * near(x, z, 0.0, -0.089, 0.014, -0.0905, 0.0030)
    return depth


@wp.func
def brow_at(look: Look, x: float, z: float):
    """How much of a canonical point is eyebrow, 0 to 1."""
    s = (x - 0.011) / 0.041
    height = look.brow_height + look.brow_arch * wp.sin(wp.clamp(s, 0.0, 1.0) * 2.9)
    thick = look.brow_thickness * (1.0 - 0.6 * ramp(0.45, 1.0, s))
    inside = 1.0 - ramp(0.55, 1.1, wp.abs(z - height) / thick)
    return inside * ramp(-0.06, 0.08, s) * (1.0 - ramp(0.9, 1.05, s)) * look.brow_density


@wp.kernel
def occlusion(
    meshes: wp.array(dtype=wp.uint64),
    points: wp.array2d(dtype=wp.vec3),
    normals: wp.array2d(dtype=wp.vec3),
    looks: wp.array(dtype=Look),
    rows: wp.array(dtype=wp.int32),
    directions: wp.array(dtype=wp.vec3),
    reach: float,
    paint: wp.array2d(dtype=wp.vec3),
):
    """How much of the sky each vertex of `rows` is cut off from by the face itself; it carries folds,
    nostrils and sockets.
    """
    image, k = wp.tid()
    row = rows[k]
    n = normals[image, row]
    if wp.dot(n, looks[image].forward) > 0.2:  # turned away from the camera
        return
    p = points[image, row] + n * 0.0008
    hidden = float(0.0)
    count = directions.shape[0]
    for i in range(count):
        d = directions[i]
        if wp.dot(d, n) < 0.0:
            d = -d
        q = wp.mesh_query_ray(meshes[image], p, wp.normalize(d + n * 0.6), reach)
        if q.result:
            hidden += 1.0
    old = paint[image, row]
    paint[image, row] = wp.vec3(old[0], old[1], hidden / float(count))


@wp.func
def skin(look: Look, at: wp.vec3, normal: wp.vec3, cover: wp.vec3, lip: float):
    """Colour, normal and gloss of skin, with its folds, lips, brows, beard and hairline."""
    x = wp.abs(at[0])
    z = at[2]
    n = normal
    colour = look.skin
    front = ramp(0.06, 0.0, at[1])
    fold = float(0.0)
    if front > 0.0:
        fold = creases(look, at[0], x, z) * front
    # it tilts the skin as well as darkening it: take its slope along the two canonical directions
    if fold > 0.02:
        e = 0.0008
        slope_x = (creases(look, at[0], x + e, z) * front - fold) / e * wp.sign(at[0])
        slope_z = (creases(look, at[0], x, z + e) * front - fold) / e
        n = wp.normalize(n + wp.vec3(slope_x, 0.0, slope_z) * 0.0011)
    flush = 0.10 * bell(x, 0.040, 0.016) * bell(z, -0.035, 0.016) + 0.10 * bell(x, 0.0, 0.012) * bell(
        z, -0.045, 0.010
    )
    colour = wp.vec3(colour[0] * (1.0 + 0.4 * flush), colour[1] * (1.0 - flush), colour[2] * (1.0 - flush))
    socket = bell(x, EYE_X, 0.019) * bell(z, -0.004, 0.013)
    colour = colour * (1.0 - (0.16 + 0.14 * look.age) * socket)
    colour = colour * (1.0 - wp.min(0.62, 0.5 * fold))
    colour = colour * (1.0 - lip) + look.lip * lip
    beard = cover[1] * (1.0 - lip)
    colour = colour * (1.0 - beard) + look.brow * beard
    tint = brow_at(look, x, z) * front
    colour = colour * (1.0 - tint) + look.brow * tint
    hair = cover[0]
    colour = colour * (1.0 - hair) + look.shell * hair
    return colour, n, look.gloss * (1.0 - hair) * (1.0 - 0.8 * beard) + 0.25 * lip


@wp.func
def reflected(
    look: Look, kind: int, at: wp.vec3, n: wp.vec3, d: wp.vec3, cover: wp.vec3, lip: float, lit: float
):
    """Light sent to the camera along -d by a point: its canonical place `at`, normal `n`, (hair, beard,
    occlusion) `cover`.
    """
    x = wp.abs(at[0])
    z = at[2]
    colour = look.skin
    gloss = look.gloss
    power = float(18.0)
    hidden = cover[2]
    soft = float(1.0)
    if kind == EYE:
        r = wp.sqrt((x - EYE_X) * (x - EYE_X) + z * z)
        colour = wp.vec3(0.56, 0.53, 0.50) * (1.0 - 0.35 * ramp(0.006, 0.013, r))
        colour = colour * ramp(0.0058, 0.0066, r) + look.iris * (1.0 - ramp(0.0058, 0.0066, r))
        colour = colour * ramp(0.0024, 0.0031, r)
        hidden = 0.35 * ramp(-0.002, 0.006, z)
        gloss = 0.4
        power = 60.0
        soft = 0.0
    elif kind == CAVITY:
        colour = wp.cw_mul(look.skin, wp.vec3(0.7, 0.42, 0.40))
    elif kind == MOUTH:
        colour = wp.vec3(0.045, 0.008, 0.008)
        soft = 0.0
        gloss = 0.0
    elif kind == TONGUE:
        colour = wp.vec3(0.30, 0.07, 0.07)
        hidden = 0.5
        soft = 0.0
    elif kind == TEETH:
        colour = look.teeth * (0.8 + 0.2 * ramp(0.0, 0.25, wp.abs(wp.sin(at[0] * 420.0))))
        # the lips leave the side teeth and the lower ones in the dark
        colour = colour * ((1.0 - 0.7 * ramp(0.013, 0.027, x)) * (1.0 - 0.25 * ramp(-0.064, -0.068, z)))
        hidden = 0.0
        gloss = 0.15
        soft = 0.0
    elif kind == LASH:
        colour = wp.vec3(0.01, 0.008, 0.007)
        gloss = 0.0
        soft = 0.0
    elif kind == SHELL or kind == STRAND:  # noqa: SIM109 - Warp has no `in`
        grain = wp.sin(at[0] * 900.0 + 3.0 * wp.sin(at[1] * 160.0 + at[2] * 90.0)) * wp.sin(
            at[1] * 800.0 + at[2] * 150.0
        )
        colour = look.shell * (0.85 + 0.3 * grain)
        if kind == STRAND:
            colour = look.hair * (
                0.85 + 0.3 * wp.sin(at[0] * 520.0 + at[1] * 640.0 + 2.0 * wp.sin(at[2] * 40.0))
            )
        gloss = 0.10
        power = 10.0
        soft = 0.0
    elif kind == HAND:
        colour = look.skin * 0.95
        hidden = 0.1
    else:
        colour, n, gloss = skin(look, at, n, cover, lip)
    towards = wp.dot(n, look.key)
    if kind == TEETH:  # light comes through the lips
        lit = wp.max(lit, 0.75)
    # Light bleeds into the shadow on skin, red the furthest.
    bleed = wp.vec3(0.32, 0.16, 0.10) * soft
    wrap = wp.vec3(
        wp.max(0.0, (towards + bleed[0]) / (1.0 + bleed[0])),
        wp.max(0.0, (towards + bleed[1]) / (1.0 + bleed[1])),
        wp.max(0.0, (towards + bleed[2]) / (1.0 + bleed[2])),
    )
    shadow = wp.vec3(lit + 0.10 * soft * (1.0 - lit), lit, lit)
    open = 1.0 - 0.85 * hidden
    light = look.sky_rgb * ((0.6 + 0.4 * n[2]) * open * open)
    light = light + wp.cw_mul(wp.cw_mul(look.key_rgb, wrap), shadow) * (0.45 + 0.55 * open)
    light = light + look.fill_rgb * (wp.max(0.0, -wp.dot(n, look.forward)) * open)
    light = light + look.rim_rgb * (wp.max(0.0, wp.dot(n, look.rim)) * open)
    shine = wp.pow(wp.max(0.0, wp.dot(n, wp.normalize(look.key - d))), power) * gloss * lit
    shine_fill = wp.pow(wp.max(0.0, -wp.dot(n, d)), power) * gloss * 0.25
    return wp.cw_mul(colour, light) + look.key_rgb * shine + look.fill_rgb * shine_fill


@wp.func
def through_glasses(look: Look, d: wp.vec3, depth: float, seen: wp.vec3):
    """What is `seen` at `depth` along d once glasses stand before it."""
    rgb = seen
    t = (look.glasses_y - look.camera[1]) / d[1]
    g = look.camera + d * t
    if t > 0.0 and t < depth:
        gx = (wp.abs(g[0]) - look.glasses_x) / look.glasses_wide
        gz = (g[2] + 0.003) / look.glasses_high
        r = wp.sqrt(wp.sqrt(gx * gx * gx * gx + gz * gz * gz * gz))
        bridge = wp.abs(g[0]) < look.glasses_x - look.glasses_wide and wp.abs(g[2] - 0.004) < 0.0016
        if (r < 1.0 and r > 1.0 - look.glasses_rim) or bridge:
            rgb = wp.cw_mul(look.glasses_rgb, look.sky_rgb + look.fill_rgb + look.key_rgb * 0.4)
        elif r < 1.0:
            if look.glasses == 2:
                rgb = rgb * 0.06 + (look.sky_rgb + look.fill_rgb) * (
                    0.03 * (1.0 + wp.sin(g[0] * 90.0 + g[2] * 120.0))
                )
            else:
                rgb = rgb * 0.93 + look.sky_rgb * (0.06 * bell(g[0] + g[2], 0.03, 0.008))
    limb = (look.glasses_x + look.glasses_wide) * wp.sign(d[0])
    if wp.abs(d[0]) > 0.02:
        # The temples lie in the planes beside the head; the near one is seen from the side.
        for _k in range(2):
            t2 = (limb - look.camera[0]) / d[0]
            h = look.camera + d * t2
            if (
                t2 > 0.0
                and t2 < depth
                and h[1] > look.glasses_y
                and h[1] < 0.085
                and wp.abs(h[2] - 0.004) < 0.0020
            ):
                rgb = wp.cw_mul(look.glasses_rgb, look.sky_rgb + look.fill_rgb)
            limb = -limb
    return rgb


@wp.func
def sunlit(mesh: wp.uint64, at: wp.vec3, n: wp.vec3, key: wp.vec3):
    """How much of the key light reaches a point: none behind, little in a shadow."""
    lit = float(0.0)
    if wp.dot(n, key) > 0.0:
        blocked = wp.mesh_query_ray(mesh, at + n * 0.0015, key, 0.3)
        lit = 1.0
        if blocked.result:
            lit = 0.12
    return lit


@wp.kernel
def shade(
    meshes: wp.array(dtype=wp.uint64),
    looks: wp.array(dtype=Look),
    normals: wp.array2d(dtype=wp.vec3),
    paint: wp.array2d(dtype=wp.vec3),
    canonical: wp.array(dtype=wp.vec3),
    lips: wp.array(dtype=float),
    triangles: wp.array2d(dtype=wp.int32),
    part: wp.array(dtype=wp.int32),
    side: int,
    out: wp.array2d(dtype=wp.vec4),
):
    """A pixel a thread, two rays on its diagonal, and two more where those meet different things.

    Rays of a pixel share a shadow ray where they meet the same part at nearly the same depth. `paint` holds
    (hair, beard, occlusion) of each vertex; `out` [B, side * side] is RGB and how much is not background, at
    twice the picture's resolution.
    """
    image, pixel = wp.tid()
    look = looks[image]
    mesh = meshes[image]
    half_side = side // 2
    kind_known = int(-1)
    depth_known = float(0.0)
    lit = float(0.0)
    smooth = bool(True)
    total = wp.vec4(0.0, 0.0, 0.0, 0.0)
    for sample in range(4):
        corner = sample - 1  # 0, 3, 1, 2
        if sample < 2:
            corner = sample * 3
        column = (pixel % half_side) * 2 + corner % 2
        row = (pixel // half_side) * 2 + corner // 2
        rgba = total * 0.5
        if sample < 2 or not smooth:
            u = (float(column) + 0.5) / float(side) * 2.0 - 1.0
            v = 1.0 - (float(row) + 0.5) / float(side) * 2.0
            d = wp.normalize(look.forward + look.right * (u * look.half) + look.up * (v * look.half))
            q = wp.mesh_query_ray(mesh, look.camera, d, 10.0)
            rgba = wp.vec4(0.0, 0.0, 0.0, 0.0)
            kind = int(-1)
            if q.result:
                a = triangles[q.face, 0]
                b = triangles[q.face, 1]
                c = triangles[q.face, 2]
                wa = q.u
                wb = q.v
                wc = 1.0 - wa - wb
                n = wp.normalize(normals[image, a] * wa + normals[image, b] * wb + normals[image, c] * wc)
                if wp.dot(n, d) > 0.0:
                    n = -n
                at = canonical[a] * wa + canonical[b] * wb + canonical[c] * wc
                cover = paint[image, a] * wa + paint[image, b] * wb + paint[image, c] * wc
                lip = lips[a] * wa + lips[b] * wb + lips[c] * wc
                kind = part[q.face]
                if kind != kind_known or wp.abs(q.t - depth_known) > 0.004:
                    lit = sunlit(mesh, look.camera + d * q.t, n, look.key)
                rgb = reflected(look, kind, at, n, d, cover, lip, lit)
                if look.glasses > 0:
                    rgb = through_glasses(look, d, q.t, rgb)
                rgba = wp.vec4(rgb[0], rgb[1], rgb[2], 1.0)
            if sample == 1 and (kind != kind_known or wp.abs(q.t - depth_known) > 0.004):
                smooth = False
            kind_known = kind
            depth_known = q.t
            total = total + rgba
        out[image, row * side + column] = rgba
