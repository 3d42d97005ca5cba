// A canvas as sharp as the screen, drawn anew when its size, its colours or what it shows change.
import { useEffect, useRef } from "preact/hooks";
import { painted } from "./theme";

export type Draw = (context: CanvasRenderingContext2D, width: number) => void;

export function Canvas(props: {
  height: number;
  draw: Draw;
  label: string;
  onPoint?: (x: number, y: number, width: number) => void;
  onLeave?: () => void;
  onKey?: (event: KeyboardEvent, width: number) => void;
}) {
  const ref = useRef<HTMLCanvasElement>(null);
  const latest = useRef(props);
  latest.current = props;
  const colours = painted.value;
  useEffect(() => {
    const canvas = ref.current!;
    const room = canvas.parentElement!;
    const paint = () => {
      const width = room.clientWidth;
      const { height, draw } = latest.current;
      const ratio = devicePixelRatio || 1;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
      const context = canvas.getContext("2d")!;
      context.scale(ratio, ratio);
      context.clearRect(0, 0, width, height);
      draw(context, width);
    };
    const watch = new ResizeObserver(paint);
    watch.observe(room);
    paint();
    return () => watch.disconnect();
  }, [props.draw, props.height, colours]);
  return (
    <canvas ref={ref} tabIndex={0} role="img" aria-label={props.label}
      onPointerMove={(e) => props.onPoint?.(e.offsetX, e.offsetY, e.currentTarget.clientWidth)}
      onPointerDown={(e) => props.onPoint?.(e.offsetX, e.offsetY, e.currentTarget.clientWidth)}
      onPointerLeave={() => props.onLeave?.()}
      onKeyDown={(e) => props.onKey?.(e, e.currentTarget.clientWidth)} />
  );
}
